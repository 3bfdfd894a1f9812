import { REPLY_VARIABLES, type ReplyValues } from '@parley/domain'
import fc from 'fast-check'
import t from 'tap'
import { checkTemplate, renderTemplate } from '../src/reply-template.ts'

const NOTHING = Object.fromEntries(Object.keys(REPLY_VARIABLES).map(name => [name, undefined])) as ReplyValues
const render = (template: string, values: Partial<ReplyValues> = {}) => {
  checkTemplate(template)
  return renderTemplate(template, { ...NOTHING, ...values })
}
const ana = { 'contact.name': 'Ana Silva', 'contact.first_name': 'Ana', 'channel.kind': 'bluesky' }

t.test('a template is written out with the values of a conversation', async t => {
  const examples: [string, string][] = [
    ['Hello', 'Hello'],
    ['Hi {{ contact.first_name }}!', 'Hi Ana!'],
    ["Hi {{ contact['first_name'] | upcase }}!", 'Hi ANA!'],
    ['{% if channel.kind == "bluesky" %}Hi{% else %}Dear{% endif %} {{contact.name}}', 'Hi Ana Silva'],
    ['{% case channel.kind %}{% when "email" %}Dear{% when "bluesky" %}Hi{% endcase %}', 'Hi'],
    ['{% unless agent.name %}The team{% endunless %}', 'The team'],
    ['a{%- comment -%} for us: {{ no.body }} {%- endcomment -%}b', 'ab'],
    ['{% raw %}{{ this }}{% endraw %} { } }} %}', '{{ this }} { } }} %}'],
    ['Cafe\u0301', 'Caf\u00e9'],
  ]
  for (const [template, body] of examples) t.same(render(template, ana), { body, missing: [] }, template)
})

t.test('what should stand there and does not is named, and nothing is written for it', async t => {
  const examples: [string, string, string[]][] = [
    ['Hi {{ contact.handle }}!', 'Hi !', ['contact.handle']],
    ['{{ agent.name }}{{ contact.handle | upcase }}{{ agent.name }}', '', ['contact.handle', 'agent.name']],
    ['{% if contact.handle %}{{ contact.handle }}{% else %}you{% endif %}', 'you', []],
    ['{% if contact.name %}{% unless agent.name %}{{ agent.name }}{% endunless %}{% endif %}', '', ['agent.name']],
    ['Hi {{ contact.handle | default: "you" }}!', 'Hi you!', []],
    ['Hi {{ contact.handle | strip | default: "you" }}!', 'Hi you!', []],
    ['Hi {{ contact.handle | default: "" }}!', 'Hi !', []],
    ['Hi {{ contact.handle | default: contact.first_name }}!', 'Hi Ana!', []],
    ['Hi {{ contact.handle | default: agent.name }}!', 'Hi !', ['contact.handle', 'agent.name']],
  ]
  for (const [template, body, missing] of examples) t.same(render(template, ana), { body, missing }, template)
})

t.test('what a customer is called is never read as a template', async t => {
  const names = [
    '{{ agent.name }}',
    '{% if',
    '}}',
    '{{',
    '{% raw %}',
    '{{ "x" | nope }}',
    '$&',
    '<b>',
    '\\',
    '{{{{}}}}',
  ]
  for (const name of names) {
    const values = { 'contact.name': name, 'agent.name': 'SECRET' }
    t.equal(render('[{{ contact.name }}]', values).body, `[${name}]`)
    t.equal(render('{{ contact.name | default: "x" }}', values).body, name)
  }
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), name => {
      const text = name.normalize('NFC')
      return render('{{ contact.name }}', { 'contact.name': text }).body === text
    }),
  )
})

t.test('a variable that does not exist is refused by name, with those that do', async t => {
  const examples: [string, string[]][] = [
    ['{{ contact.nmae }}', ['contact.nmae']],
    ['{{ contact }}', ['contact']],
    ['{{ contact.name.size }} {{ agent.name.first }}', ['contact.name.size', 'agent.name.first']],
    [
      '{{ contact.__proto__ }} {{ constructor }} {{ contact.toString }}',
      ['contact.__proto__', 'contact.toString', 'constructor'],
    ],
    ['{{ ["contact.name"] }}', ['["contact.name"]']],
    ['{{ contact[agent.name] }}', ['["contact",["agent","name"]]']],
    ['{{ contact.name | default: customer.name }}', ['customer.name']],
    ['{{ contact.name | upcase: a.b }}', ['a.b']],
    ['{% if a and b.c == d %}{% elsif e %}{% endif %}', ['a', 'b.c', 'd', 'e']],
    ['{% case a %}{% when b %}{{ c }}{% endcase %}', ['a', 'b', 'c']],
  ]
  const variables = Object.keys(REPLY_VARIABLES)
  for (const [template, unknown_variables] of examples) {
    t.throws(
      () => checkTemplate(template),
      { code: 'validation_failed', details: { unknown_variables, variables } },
      template,
    )
  }
})

t.test('what is no template is refused with the reason', async t => {
  const templates = [
    ...['{{ contact.name', '{{ }}', '{% if contact.name %}', '{% endif %}', '{%%}', '{% if %}{% endif %}'],
    ...[
      '{% include "x" %}',
      '{% render "x" %}',
      '{% layout "x" %}',
      '{% block x %}{% endblock %}',
      '{% liquid echo 1 %}',
    ],
    ...[
      '{% for a in (1..9) %}{% endfor %}',
      '{% tablerow a in b %}{% endtablerow %}',
      '{% assign a = 1 %}',
      '{% echo 1 %}',
    ],
    ...['{% capture a %}{% endcapture %}', '{% increment a %}', '{% cycle 1, 2 %}'],
    ...['replace: "a", "b"', 'append: "a"', 'json', 'split: ""', 'date: "%s"', 'truncate: 1', 'where: "a"', 'nope'].map(
      filter => `{{ contact.name | ${filter} }}`,
    ),
    ...['{{ (1..1000000000) }}', '{% if (1..1000000000) contains 1 %}{% endif %}'],
    `${'{% if contact.name %}'.repeat(21)}x${'{% endif %}'.repeat(21)}`,
    '{%if 1%}'.repeat(950) + '{%endif%}'.repeat(950),
    '{{1}}'.repeat(501),
    'a'.repeat(16 * 1024 + 1),
  ]
  for (const template of templates) {
    const what = template.slice(0, 60)
    t.throws(
      () => checkTemplate(template),
      { code: 'validation_failed', details: { errors: [{ pointer: '/body' }] } },
      what,
    )
  }
  const nested = `${'{% if contact.name %}'.repeat(20)}x${'{% endif %}'.repeat(20)}`
  t.equal(render(nested, ana).body, 'x')
})

t.test('a text does not grow beyond what a reply may be', async t => {
  const long = 'ß'.repeat(500)
  t.throws(() => render('{{ contact.name | upcase }}'.repeat(200), { 'contact.name': long }), {
    code: 'validation_failed',
  })
  t.equal(render('{{ contact.name }}'.repeat(60), { 'contact.name': long }).body, long.repeat(60))
})

t.test('no template does anything but render or be refused', async () => {
  const word = fc.constantFrom(
    ...[
      '{{',
      '}}',
      '{%',
      '%}',
      '{%-',
      '-%}',
      'if',
      'endif',
      'else',
      'case',
      'when',
      'unless',
      'raw',
      'endraw',
      '|',
      'default:',
      '"',
      "'",
      '.',
    ],
    ...[
      'contact',
      'name',
      'contact.name',
      '[',
      ']',
      '(',
      '..',
      ')',
      '1',
      '1e9',
      '-',
      '==',
      'contains',
      'and',
      'nil',
      'blank',
      ' ',
      '\n',
      'x',
      '#',
      '\u{1f600}',
    ],
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), words => {
      try {
        render(words.join(' '), ana)
      } catch (error) {
        if ((error as { code?: string }).code !== 'validation_failed') throw error
      }
    }),
    { numRuns: 3_000 },
  )
})
