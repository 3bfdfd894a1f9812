import { readFile } from 'node:fs/promises'
import { ROLES } from '@parley/domain'
import t from 'tap'
import { testApi } from './helper.ts'
import { documentedRoutes } from './routes.ts'

const api = await testApi(t)

t.test('the page about roles lists every route, and who may call it', async t => {
  const page = await readFile(new URL('../../../docs/roles.md', import.meta.url), 'utf8')
  const rows = page.split('\n').filter(line => line.startsWith('| `'))
  const routes = await documentedRoutes(api)
  const expected = routes.map(({ method, path, role }) => {
    const cells = ROLES.map(one => (!role || ROLES.indexOf(one) >= ROLES.indexOf(role as 'agent') ? 'yes' : '–'))
    return `| \`${method} ${path}\` | ${[...cells, role ? '–' : 'yes'].join(' | ')} |`
  })
  t.same(rows, expected.sort())
})
