// What Microsoft's own parser says of queries. Reads lines of JSON from standard input: first {table: {column: type}},
// then lists of queries, each answered by a line with a list of {diagnostics, shape, columns}: the kinds of the syntax
// nodes in order, and the columns of the result with their types.
'use strict'
const fs = require('fs')
const path = require('path')
const readline = require('readline')
const vm = require('vm')

const folder = path.dirname(require.resolve('@kusto/language-service-next/package.json'))
for (const file of ['bridge.min.js', 'Kusto.Language.Bridge.min.js']) {
  vm.runInThisContext(fs.readFileSync(path.join(folder, file), 'utf8'), file)
}
const { Symbols, GlobalState, KustoCode } = Kusto.Language

function every (list) {
  return Array.from({ length: list.Count }, (_, place) => list.getItem(place))
}

function shape (node, found = []) {
  found.push(node.Kind)
  for (let place = 0; place < node.ChildCount; place++) {
    const child = node.GetChild(place)
    if (child) shape(child, found)
  }
  return found
}

function read (tables) {
  const symbols = Object.entries(tables).map(([name, columns]) => {
    const written = Object.entries(columns).map(([column, type]) => `${column}: ${type}`).join(', ')
    return new Symbols.TableSymbol.$ctor7(name, `(${written})`, null)
  })
  return GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('hunting', symbols))
}

function answer (text, globals) {
  const code = KustoCode.ParseAndAnalyze(text, globals)
  const columns = code.ResultType && code.ResultType.Columns ? every(code.ResultType.Columns) : []
  return {
    diagnostics: every(code.GetDiagnostics()).map(each => `${each.Code} at ${each.Start}: ${each.Message}`),
    shape: shape(code.Syntax),
    columns: Object.fromEntries(columns.map(each => [each.Name, each.Type.Name]))
  }
}

let globals = null
readline.createInterface({ input: process.stdin }).on('line', line => {
  const asked = JSON.parse(line)
  if (globals === null) {
    globals = read(asked)
  } else {
    process.stdout.write(JSON.stringify(asked.map(text => answer(text, globals))) + '\n')
  }
})
