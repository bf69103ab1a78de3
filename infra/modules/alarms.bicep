// Alarms are searches over the app's log lines. They tell people of troubles that the app cannot tell of itself, such
// as its own silence, and reach those who do not read its chat.

param name string
param location string
param tags object = {}
param workspaceId string

@description('Workspace with the log of the evidence account; empty: that account is somebody else\'s, and so is its alarm.')
param custodyWorkspaceId string

param evidenceAccount string
param principalId string
param actionGroupIds array
param enabled bool

// Severity: 0 critical, 1 error, 2 warning. `lasting` alarms end by themselves once their search finds nothing more.
var alarms = [
  {
    name: 'watch-stalled'
    title: 'Incidents are not being read'
    severity: 0
    lasting: true
    query: loadTextContent('../queries/alarm-watch-stalled.kql')
    text: 'No incident can be seen, so nothing is contained: the app stands still, or Graph cannot be read. docs/runbooks.md, "Incidents are not being read".'
  }
  {
    name: 'isolation-failed'
    title: 'A device could not be contained'
    severity: 1
    lasting: false
    query: loadTextContent('../queries/alarm-isolation-failed.kql')
    text: 'Contain it in the Defender portal; the incident\'s summary says why it failed. Without an incident: the tenant refuses all of it, and it is tried again.'
  }
  {
    name: 'awaiting-approval'
    title: 'A containment waits for a person'
    severity: 1
    lasting: false
    query: loadTextContent('../queries/alarm-awaiting-approval.kql')
    text: 'A guard rail stopped it: look with `bulkhead show INCIDENT`, then `bulkhead approve` or `bulkhead refuse`.'
  }
  {
    name: 'dead-letters'
    title: 'A message could not be handled'
    severity: 2
    lasting: false
    query: loadTextContent('../queries/alarm-dead-letters.kql')
    text: 'It is kept in the ledger: `bulkhead dead-letters list`. The work itself is taken up again by the ledger.'
  }
  {
    name: 'governor-starved'
    title: 'API budgets are used up'
    severity: 2
    lasting: true
    query: loadTextContent('../queries/alarm-governor-starved.kql')
    text: 'Work waits for calls to Graph or Defender. In a storm that is as it should be; otherwise another tool spends the tenant\'s budget.'
  }
  {
    name: 'policy-broken'
    title: 'The policy cannot be read'
    severity: 1
    lasting: true
    query: loadTextContent('../queries/alarm-policy-broken.kql')
    text: 'The last good one stays in force: `bulkhead policy check` says what is wrong with the new one.'
  }
  {
    name: 'custody-mismatch'
    title: 'Evidence is not what it should be'
    severity: 0
    lasting: false
    query: loadTextContent('../queries/alarm-custody-mismatch.kql')
    text: 'A hash does not agree. Touch nothing; set a legal hold on the run (docs/deploy.md) and look at the log of the evidence account.'
  }
]

resource rules 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = [
  for alarm in alarms: {
    name: '${name}-${alarm.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: 'Bulkhead: ${alarm.title}'
      description: alarm.text
      severity: alarm.severity
      enabled: enabled
      scopes: [workspaceId]
      evaluationFrequency: 'PT5M'
      windowSize: 'PT15M'
      criteria: {
        allOf: [
          {
            query: alarm.query
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      autoMitigate: alarm.lasting
      // The window is wider than the step, since log lines may be minutes late; so one line would ring three times.
      muteActionsDuration: alarm.lasting ? null : 'PT15M'
      // A new workspace has none of the tables yet.
      skipQueryValidation: true
      actions: { actionGroups: actionGroupIds }
    }
  }
]

resource touched 'Microsoft.Insights/scheduledQueryRules@2026-03-01' = if (!empty(custodyWorkspaceId)) {
  name: '${name}-evidence-touched'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: 'Bulkhead: Somebody tries to change evidence'
    description: 'A deletion, a change of metadata, tier, hold or retention, or a write by somebody other than the app. The query shows who. A custodian setting a legal hold is seen here too.'
    severity: 0
    enabled: enabled
    scopes: [custodyWorkspaceId]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: replace(
            replace(loadTextContent('../queries/alarm-evidence-touched.kql'), '{account}', evidenceAccount),
            '{app}',
            principalId
          )
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    autoMitigate: false
    muteActionsDuration: 'PT15M'
    skipQueryValidation: true
    actions: { actionGroups: actionGroupIds }
  }
}
