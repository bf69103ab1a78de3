// Where the app's own log goes, and who hears of alarms.

import { MonitoringOptions } from '../options.bicep'

param name string
param location string
param tags object = {}
param options MonitoringOptions

@description('Object id of the app\'s identity, which may send telemetry.')
param principalId string

@description('Entra group that looks at logs, alarms and the workbook; empty: nobody.')
param operators string

var roles = loadJsonContent('../roles.json').builtIn
var emails = options.?emails ?? []

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: '${name}-log'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: options.?retentionDays ?? 90
    features: { disableLocalAuth: true, enableLogAccessUsingOnlyResourcePermissions: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${name}-insights'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: insights
  name: guid(insights.id, principalId, roles['Monitoring Metrics Publisher'])
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Monitoring Metrics Publisher']
    )
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource looks 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operators)) {
  name: guid(resourceGroup().id, operators, roles['Monitoring Reader'])
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles['Monitoring Reader'])
    principalId: operators
    principalType: 'Group'
  }
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = if (!empty(emails)) {
  name: '${name}-alarms'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'Bulkhead'
    enabled: true
    emailReceivers: [
      for (email, index) in emails: { name: 'mail-${index}', emailAddress: email, useCommonAlertSchema: true }
    ]
  }
}

output workspaceId string = workspace.id
output connectionString string = insights.properties.ConnectionString
output actionGroupIds array = flatten([empty(emails) ? [] : [people.id], options.?actionGroupIds ?? []])
