import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const workspaces = ['packages', 'services'].flatMap(parent =>
  readdirSync(join(ROOT, parent)).map(name => ({ name, folder: join(ROOT, parent, name), parent })),
)

/** What each package may rest on. Services may use any package but the tests' own. */
const ARROWS: Record<string, string[]> = {
  domain: [],
  config: [],
  'postgres-server': [],
  contracts: ['domain'],
  db: ['domain', 'contracts'],
  'blob-store': [],
  core: ['domain', 'contracts', 'db', 'blob-store'],
  queue: ['contracts'],
  triage: ['domain'],
  connectors: ['domain', 'contracts'],
}
const services = workspaces.filter(({ parent }) => parent === 'services').map(({ name }) => name)
const forTests = ['testing', 'bench']

function sourceFiles(folder: string): string[] {
  return readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .map(name => join(folder, 'src', name))
}

function importsOf(folder: string): string[] {
  const text = sourceFiles(folder).map(path => readFileSync(path, 'utf8'))
  const names = text.flatMap(source => [...source.matchAll(/from '@parley\/([a-z-]+)/g)].map(match => match[1]!))
  return [...new Set(names)].sort()
}

t.test('imports point one way', async t => {
  for (const { name, folder } of workspaces) {
    if (forTests.includes(name)) continue
    const allowed = ARROWS[name] ?? Object.keys(ARROWS)
    t.same(
      importsOf(folder).filter(used => !allowed.includes(used)),
      [],
      name,
    )
  }
})

t.test('no service imports another service', async t => {
  for (const { name, folder } of workspaces) {
    t.same(
      importsOf(folder).filter(used => services.includes(used)),
      [],
      name,
    )
  }
})

t.test('what a workspace imports, what it declares and what it references are the same', async t => {
  for (const { name, folder } of workspaces) {
    const imports = importsOf(folder)
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { dependencies?: object }
    const declared = Object.keys(manifest.dependencies ?? {})
      .filter(dependency => dependency.startsWith('@parley/'))
      .map(dependency => dependency.slice('@parley/'.length))
    const project = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8')) as {
      references: { path: string }[]
    }
    const referenced = project.references.map(({ path }) => basename(path))
    t.same(declared.sort(), imports, `${name}: package.json`)
    t.same(referenced.sort(), imports, `${name}: tsconfig.json`)
  }
})

t.test('nothing below an entry point reads the clock or the environment', async t => {
  const entries = /(^|\/)(main|healthcheck|run-tests|run-peers)\.ts$/
  for (const { name, folder } of workspaces) {
    if (forTests.includes(name) || name === 'config') continue
    for (const path of sourceFiles(folder).filter(file => !entries.test(file))) {
      t.notMatch(readFileSync(path, 'utf8'), /Date\.now\(\)|new Date\(\)|process\.env/, path.slice(ROOT.length))
    }
  }
})

t.test('every workspace is built', async t => {
  const { references } = JSON.parse(readFileSync(join(ROOT, 'tsconfig.json'), 'utf8')) as {
    references: { path: string }[]
  }
  const reached = new Set<string>()
  const visit = (folder: string) => {
    if (reached.has(folder)) return
    reached.add(folder)
    const project = JSON.parse(readFileSync(join(folder, 'tsconfig.json'), 'utf8')) as {
      references: { path: string }[]
    }
    for (const { path } of project.references) visit(join(folder, path))
  }
  for (const { path } of references) visit(join(ROOT, path))
  for (const { name, folder } of workspaces) t.ok(reached.has(folder) && existsSync(folder), name)
})
