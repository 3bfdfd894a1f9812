export type MailPorts = { imap: number; lmtp: number; smtp: number; submission: number }

/** What is delivered here, and what is answered from here. */
export const DOMAINS = ['brand.test', 'customer.test']

/** Dovecot 2.3 with everything of its own in `folder`. Users are local parts; a detail after `+` is not part of them. */
export function dovecotConfiguration(folder: string, ports: MailPorts): string {
  return `
base_dir = ${folder}/run
state_dir = ${folder}/state
log_path = ${folder}/dovecot.log
instance_name = ${folder}
listen = 127.0.0.1
protocols = imap lmtp
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_username_format = %Ln
first_valid_uid = 0
recipient_delimiter = +
mail_location = maildir:${folder}/mail/%n
mail_max_userip_connections = 100
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%n ${folder}/users
}
userdb {
  driver = passwd-file
  args = username_format=%n ${folder}/users
  override_fields = uid=mail gid=mail home=${folder}/mail/%n
}
namespace inbox {
  inbox = yes
  mailbox Sent {
    special_use = \\Sent
    auto = create
  }
  mailbox Junk {
    special_use = \\Junk
    auto = create
  }
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = 0
  }
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = ${ports.lmtp}
  }
}
protocol lmtp {
  auth_username_format = %Ln
  postmaster_address = postmaster@${DOMAINS[0]}
}
`
}

/** Exim 4 with everything of its own in `folder`: mail from anywhere for our domains, from who logs in for anywhere. */
export function eximConfiguration(folder: string, ports: MailPorts, password: string): string {
  return `
primary_hostname = mx.${DOMAINS[0]}
exim_user = Debian-exim
exim_group = Debian-exim
never_users =
spool_directory = ${folder}/spool
log_file_path = ${folder}/exim-log/%slog
pid_file_path = ${folder}/spool/exim.pid
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${ports.smtp} : ${ports.submission}
auth_advertise_hosts = \${if eq{$received_port}{${ports.submission}}{*}{}}
tls_advertise_hosts =
acl_smtp_rcpt = recipients
acl_smtp_data = accept
host_lookup =
rfc1413_query_timeout = 0s
message_size_limit = 12M
smtp_accept_queue_per_connection = 0
smtp_accept_max = 100
keep_environment =
bounce_return_size_limit = 100K

begin acl
recipients:
  accept authenticated = *
  accept domains = ${DOMAINS.join(' : ')}
         condition = \${if eq{$received_port}{${ports.smtp}}}
  deny message = relay not permitted

begin routers
dovecot:
  driver = manualroute
  domains = ${DOMAINS.join(' : ')}
  transport = lmtp
  route_list = * 127.0.0.1
  self = send
nowhere:
  driver = redirect
  allow_fail
  data = :fail: no such domain

begin transports
lmtp:
  driver = smtp
  protocol = lmtp
  port = ${ports.lmtp}
  allow_localhost
  hosts_avoid_tls = *
  return_path_add
  envelope_to_add

begin retry
* * F,2h,1m

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = \${if eq{$auth3}{${password}}}
  server_set_id = $auth2
`
}
