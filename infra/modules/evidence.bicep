// The account that keeps the evidence, and nothing else. Everything in it is immutable for a time; the app may create,
// and nobody whom this file names may delete. It can be deployed by itself into another subscription (docs/deploy.md).

import { EvidenceOptions } from '../options.bicep'

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object = {}
param options EvidenceOptions

@description('Whether the account is reached through private endpoints only.')
param private bool = false

@description('Whether the account is locked against deletion.')
param lock bool = false

@description('Object id of the identity that writes evidence.')
param writerPrincipalId string

@description('Entra group that reads evidence; empty: nobody.')
param reviewers string = ''

@description('Entra group that sets legal holds; empty: nobody.')
param custodians string = ''

@description('Workspace for the log of reads and writes.')
param workspaceId string

var containers = loadJsonContent('../storage.json').evidenceContainers
var reader = loadJsonContent('../roles.json').builtIn['Storage Blob Data Reader']
var deleteAfter = options.?deleteAfterDays ?? 0
var deletion = deleteAfter == 0 || deleteAfter >= options.immutabilityDays
  ? deleteAfter
  : fail('evidence.deleteAfterDays is shorter than evidence.immutabilityDays: nothing can be deleted so early')

module roles 'roles.bicep' = {
  name: 'evidence-roles'
}

resource account 'Microsoft.Storage/storageAccounts@2025-08-01' = {
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: options.redundancy }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    allowedCopyScope: 'AAD'
    defaultToOAuthAuthentication: true
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: { bypass: 'None', defaultAction: private ? 'Deny' : 'Allow' }
    // Only at creation. Azure wants the first state to be Unlocked; locking is a later deployment, and final.
    immutableStorageWithVersioning: {
      enabled: true
      immutabilityPolicy: {
        immutabilityPeriodSinceCreationInDays: options.immutabilityDays
        state: options.immutabilityState
      }
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: { enabled: true, days: options.?softDeleteDays ?? 30 }
    containerDeleteRetentionPolicy: { enabled: true, days: options.?softDeleteDays ?? 30 }
  }
}

resource kept 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-08-01' = [
  for container in containers: {
    parent: blobs
    name: container
    properties: { publicAccess: 'None' }
  }
]

resource ageing 'Microsoft.Storage/storageAccounts/managementPolicies@2025-08-01' = {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: flatten([
        [
          {
            name: 'evidence-cools'
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['evidence/'] }
              actions: { baseBlob: { tierToCool: { daysAfterModificationGreaterThan: options.?coolAfterDays ?? 30 } } }
            }
          }
          {
            // Pages are written over; what they said before can go as soon as it may.
            name: 'review-forgets'
            type: 'Lifecycle'
            definition: {
              filters: { blobTypes: ['blockBlob'], prefixMatch: ['review/'] }
              actions: { version: { delete: { daysAfterCreationGreaterThan: options.immutabilityDays } } }
            }
          }
        ]
        deletion == 0
          ? []
          : [
              {
                name: 'evidence-ends'
                type: 'Lifecycle'
                definition: {
                  filters: { blobTypes: ['blockBlob', 'appendBlob'], prefixMatch: ['evidence/', 'review/'] }
                  actions: {
                    baseBlob: { delete: { daysAfterModificationGreaterThan: deletion } }
                    version: { delete: { daysAfterCreationGreaterThan: deletion } }
                  }
                }
              }
            ]
      ])
    }
  }
  dependsOn: [blobs]
}

// The read side of custody: who looked at what, and when.
resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: blobs
  name: 'custody'
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

resource writes 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for (container, index) in containers: {
    scope: kept[index]
    name: guid(account.id, container, writerPrincipalId, 'writer')
    properties: {
      roleDefinitionId: roles.outputs.writerId
      principalId: writerPrincipalId
      principalType: 'ServicePrincipal'
      description: 'Bulkhead creates evidence. It cannot delete any.'
    }
  }
]

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(reviewers)) {
  scope: account
  name: guid(account.id, reviewers, reader)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', reader)
    principalId: reviewers
    principalType: 'Group'
  }
}

resource holds 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(custodians)) {
  scope: account
  name: guid(account.id, custodians, 'custodian')
  properties: {
    roleDefinitionId: roles.outputs.custodianId
    principalId: custodians
    principalType: 'Group'
  }
}

resource locked 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  scope: account
  name: 'bulkhead-evidence'
  properties: { level: 'CanNotDelete', notes: 'Evidence. See docs/runbooks.md, Deleting everything.' }
}

output id string = account.id
output name string = account.name
output blobUri string = account.properties.primaryEndpoints.blob

@description('Where the second copy lies; empty without geo-redundancy. Look whether it is the country you meant.')
output secondaryRegion string = account.properties.?secondaryLocation ?? ''
