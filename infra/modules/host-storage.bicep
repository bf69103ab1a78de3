// What the functions work on: queues, the ledger, snapshots, staging, and the app's own package. Nothing makes a queue
// or table by itself, so that one which is missing is a fault that is seen.

import { AppOptions } from '../options.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object = {}
param options AppOptions

@description('Whether the account is reached through private endpoints only.')
param private bool

@description('Object id of the app\'s identity.')
param principalId string

@description('Entra group that sends orders and reads the ledger; empty: nobody.')
param operators string

param workspaceId string

var storage = loadJsonContent('../storage.json')
var roles = loadJsonContent('../roles.json').builtIn
var queues = flatten(map(storage.queues, each => [each, '${each}-poison']))
var appRoles = ['Storage Blob Data Owner', 'Storage Queue Data Contributor', 'Storage Table Data Contributor']
var snapshotDays = options.?snapshotDays ?? 0

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: options.?redundancy ?? 'Standard_ZRS' }
  properties: {
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: { bypass: 'None', defaultAction: private ? 'Deny' : 'Allow' }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: { enabled: true, days: 7 }
    containerDeleteRetentionPolicy: { enabled: true, days: 7 }
  }
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = [
  for container in storage.hostContainers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-08-01' = {
  parent: account
  name: 'default'
}

resource queue 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-08-01' = [
  for queueName in queues: {
    parent: queueService
    name: queueName
  }
]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-08-01' = {
  parent: account
  name: 'default'
}

resource ledger 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-08-01' = {
  parent: tableService
  name: storage.table
}

resource ageing 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: flatten([
        [
          {
            name: 'staging-ends'
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob', 'appendBlob'], prefixMatch: ['staging/'] }
              actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: options.?stagingDays ?? 14 } } }
            }
          }
        ]
        snapshotDays == 0
          ? []
          : [
              {
                name: 'snapshots-end'
                type: 'Lifecycle'
                definition: {
                  filters: { blobTypes: ['blockBlob'], prefixMatch: ['incidents/'] }
                  actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: snapshotDays } } }
                }
              }
            ]
      ])
    }
  }
  dependsOn: [blobs]
}

// Who sent an order is who put the message there. Reads are left out: the host polls every queue every two seconds.
resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: queueService
  name: 'orders'
  properties: {
    workspaceId: workspaceId
    logs: [{ category: 'StorageWrite', enabled: true }]
  }
}

resource works 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in appRoles: {
    scope: account
    name: guid(account.id, principalId, roles[role])
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles[role])
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource sends 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operators)) {
  scope: queue[indexOf(queues, 'orders')]
  name: guid(account.id, 'orders', operators)
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Storage Queue Data Message Sender']
    )
    principalId: operators
    principalType: 'Group'
  }
}

resource readsLedger 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operators)) {
  scope: ledger
  name: guid(account.id, storage.table, operators)
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Storage Table Data Reader']
    )
    principalId: operators
    principalType: 'Group'
  }
}

resource readsSnapshots 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(operators)) {
  scope: containers[indexOf(storage.hostContainers, 'incidents')]
  name: guid(account.id, 'incidents', operators)
  properties: {
    roleDefinitionId: subscriptionResourceId(
      'Microsoft.Authorization/roleDefinitions',
      roles['Storage Blob Data Reader']
    )
    principalId: operators
    principalType: 'Group'
  }
}

resource locked 'Microsoft.Authorization/locks@2020-05-01' = if (options.?lock ?? false) {
  scope: account
  name: 'bulkhead-ledger'
  properties: { level: 'CanNotDelete', notes: 'The ledger: which devices are isolated, and why.' }
}

output id string = account.id
output name string = account.name
output packagesUri string = '${account.properties.primaryEndpoints.blob}packages'
