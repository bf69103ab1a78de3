// One page on how it goes: how fast containment and evidence are, how actions end, what waits, which budgets are tight.

param name string
param location string
param tags object = {}
param workspaceId string

var tiles = [
  { title: 'Time to contain: from the first sight of an incident to Defender saying that a device is isolated', shown: 'table', query: loadTextContent('../queries/time-to-contain.kql') }
  { title: 'Time to evidence: from the first sight of an incident to what was gathered being archived', shown: 'table', query: loadTextContent('../queries/time-to-evidence.kql') }
  { title: 'Step by step: seconds from the first sight of an incident to accepted, final, archived', shown: 'table', query: loadTextContent('../queries/steps.kql') }
  { title: 'How actions ended, or stand', shown: 'barchart', query: loadTextContent('../queries/outcomes.kql') }
  { title: 'Waiting for a person', shown: 'table', query: loadTextContent('../queries/waiting.kql') }
  { title: 'Waits for an API budget, by API', shown: 'timechart', query: loadTextContent('../queries/budgets.kql') }
  { title: 'Troubles of Bulkhead itself', shown: 'table', query: loadTextContent('../queries/troubles.kql') }
]

var items = flatten(map(tiles, tile => [
  { type: 1, content: { json: '## ${tile.title}' } }
  {
    type: 3
    content: {
      version: 'KqlItem/1.0'
      query: tile.query
      size: 1
      queryType: 0
      resourceType: 'microsoft.operationalinsights/workspaces'
      crossComponentResources: [workspaceId]
      visualization: tile.shown
      timeContextFromParameter: 'Range'
      noDataMessage: 'Nothing in this time'
    }
  }
]))

var range = {
  type: 9
  content: {
    version: 'KqlParameterItem/1.0'
    style: 'pills'
    queryType: 0
    parameters: [
      {
        id: guid(name, 'range')
        version: 'KqlParameterItem/1.0'
        name: 'Range'
        label: 'Time'
        type: 4
        isRequired: true
        value: { durationMs: 604800000 }
        typeSettings: {
          selectableValues: [
            { durationMs: 86400000 }
            { durationMs: 604800000 }
            { durationMs: 2592000000 }
            { durationMs: 7776000000 }
          ]
        }
      }
    ]
  }
}

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, name, 'workbook')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Bulkhead (${name})'
    category: 'workbook'
    sourceId: workspaceId
    serializedData: string({ version: 'Notebook/1.0', items: flatten([[range], items]), isLocked: false })
  }
}
