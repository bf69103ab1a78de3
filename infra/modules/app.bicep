// The function app on Flex Consumption: Python 3.13, one user-assigned identity, and no key anywhere.

import { AppOptions } from '../options.bicep'
import { Settings } from '../settings.bicep'

param name string
param location string
param tags object = {}
param options AppOptions
param settings Settings
param identityId string
param clientId string
param hostStorage string
param packagesUri string
param evidenceBlobUri string
param insightsConnectionString string
param slackReference string
param teamsReference string
param pagerReference string
param virusTotalReference string

@description('A key to sign evidence with, unless the settings name another; empty: none.')
param custodyKey string

@description('Subnet of the app; empty: no network of its own.')
param subnetId string

var suffix = environment().suffixes.storage
var chat = options.?chat ?? []
var ready = options.?alwaysReady ?? 0
// The first attempt to contain is made where an incident is assessed.
var containing = ['watch_incidents', 'assess_incident', 'contain_devices']

// What has to be there even where the operator gives nothing: the host reads the schedules itself, and the mode is one
// that nobody should have to look up.
var defaults = {
  RESPONSE_MODE: 'observe'
  WATCH_SCHEDULE: '*/10 * * * * *'
  FOLLOW_SCHEDULE: '*/10 * * * * *'
  HOUSEKEEPING_SCHEDULE: '0 7 * * * *'
}

// The host reads these too. The URLs make them right in every cloud.
var storageSettings = {
  AzureWebJobsStorage__accountName: hostStorage
  AzureWebJobsStorage__blobServiceUri: 'https://${hostStorage}.blob.${suffix}'
  AzureWebJobsStorage__queueServiceUri: 'https://${hostStorage}.queue.${suffix}'
  AzureWebJobsStorage__tableServiceUri: 'https://${hostStorage}.table.${suffix}'
  EVIDENCE_STORAGE__blobServiceUri: evidenceBlobUri
}
var hostSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: clientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${clientId};Authorization=AAD'
}
var ownSettings = {
  AZURE_CLIENT_ID: clientId
  SLACK_WEBHOOK_URL: contains(chat, 'slack') ? slackReference : ''
  TEAMS_WEBHOOK_URL: contains(chat, 'teams') ? teamsReference : ''
  PAGER_WEBHOOK_URL: contains(chat, 'pager') ? pagerReference : ''
  VIRUSTOTAL_API_KEY: options.?virusTotal ?? false ? virusTotalReference : ''
}
var keySettings = empty(custodyKey) ? {} : { CUSTODY_KEY: custodyKey }
var every = union(defaults, keySettings, settings, ownSettings, storageSettings, hostSettings)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: '${name}-plan'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: { name: 'FC1', tier: 'FlexConsumption' }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': 'app' })
  kind: 'functionapp,linux'
  identity: { type: 'UserAssigned', userAssignedIdentities: { '${identityId}': {} } }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      runtime: { name: 'python', version: '3.13' }
      scaleAndConcurrency: {
        instanceMemoryMB: options.?instanceMemoryMB ?? 512
        maximumInstanceCount: options.?maximumInstances ?? 40
        alwaysReady: ready == 0 ? [] : map(containing, each => { name: 'function:${each}', instanceCount: ready })
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packagesUri
          authentication: { type: 'UserAssignedIdentity', userAssignedIdentityResourceId: identityId }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      appSettings: map(filter(items(every), each => !empty(each.value)), each => { name: each.key, value: each.value })
    }
  }
}

// Publishing is by Entra only.
resource noFtpPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: { allow: false }
}

resource noPublishingPassword 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: { allow: false }
}

output name string = app.name
