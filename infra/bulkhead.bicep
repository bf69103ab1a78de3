// Everything, in one resource group that exists. main.bicep makes the group first; who may work in a group only
// deploys this file.

import { AppOptions, EvidenceOptions, MonitoringOptions, NetworkOptions, PeopleOptions } from 'options.bicep'
import { Settings } from 'settings.bicep'

@description('What this deployment is called: in its resources, and in the markers that it leaves in Defender.')
@minLength(3)
@maxLength(24)
param name string

param location string = resourceGroup().location

@description('Regions in which incidents and evidence may lie. Any other one is refused.')
@minLength(1)
param allowedRegions string[]

param evidence EvidenceOptions
param app AppOptions = {}
param people PeopleOptions = {}
param network NetworkOptions = { private: false }
param monitoring MonitoringOptions = {}

@description('Settings of the app, by their names in README.md.')
param settings Settings = {}

@secure()
param slackWebhookUrl string = ''

@secure()
param teamsWebhookUrl string = ''
@description('Webhook of whatever wakes a person, where the file names pager under chat.')
@secure()
param pagerWebhookUrl string = ''
@description('API key of VirusTotal, where the file says virusTotal: true.')
@secure()
param virusTotalKey string = ''

param tags object = {}

var unique = uniqueString(subscription().id, resourceGroup().id, name)
var compact = take(toLower(replace(name, '-', '')), 9)
var region = toLower(replace(location, ' ', ''))
var here = contains(allowedRegions, region)
  ? region
  : fail('${region} is not among the allowed regions: ${join(allowedRegions, ', ')}')
var geo = contains(['Standard_GRS', 'Standard_GZRS'], evidence.redundancy)
var pair = evidence.?pairedRegion ?? ''
var checkedEvidence = !geo || contains(allowedRegions, pair)
  ? evidence
  : fail('${evidence.redundancy} copies evidence to the paired region: name it as evidence.pairedRegion, and allow it')
var elsewhere = !empty(evidence.?existingBlobUri ?? '')
var ownTags = union(tags, { application: 'bulkhead' })

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-identity'
  location: here
  tags: ownTags
}

module monitor 'modules/monitoring.bicep' = {
  name: 'monitoring'
  params: {
    name: name
    location: here
    tags: ownTags
    options: monitoring
    principalId: identity.properties.principalId
    operators: people.?operators ?? ''
  }
}

module host 'modules/host-storage.bicep' = {
  name: 'host-storage'
  params: {
    name: take('${compact}h${unique}', 24)
    location: here
    tags: ownTags
    options: app
    private: network.private
    principalId: identity.properties.principalId
    operators: people.?operators ?? ''
    workspaceId: monitor.outputs.workspaceId
  }
}

module archive 'modules/evidence.bicep' = if (!elsewhere) {
  name: 'evidence'
  params: {
    name: take('${compact}e${unique}', 24)
    location: here
    tags: ownTags
    options: checkedEvidence
    private: network.private
    lock: app.?lock ?? false
    writerPrincipalId: identity.properties.principalId
    reviewers: people.?reviewers ?? ''
    custodians: people.?custodians ?? ''
    workspaceId: evidence.?logWorkspaceId ?? monitor.outputs.workspaceId
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    name: take('${compact}-v${unique}', 24)
    location: here
    tags: ownTags
    private: network.private
    principalId: identity.properties.principalId
    workspaceId: monitor.outputs.workspaceId
    webhooks: { slack: slackWebhookUrl, teams: teamsWebhookUrl, pager: pagerWebhookUrl }
    virusTotalKey: virusTotalKey
    signingKey: evidence.?signingKey ?? false
    lock: app.?lock ?? false
  }
}

module net 'modules/network.bicep' = if (network.private) {
  name: 'network'
  params: {
    name: name
    location: here
    tags: ownTags
    addressPrefix: network.?addressPrefix ?? '10.83.0.0/24'
  }
}

module endpoints 'modules/endpoints.bicep' = if (network.private) {
  name: 'endpoints'
  params: {
    name: name
    location: here
    tags: ownTags
    networkId: net!.outputs.id
    subnetId: net!.outputs.endpointSubnetId
    targets: flatten([
      [
        { name: 'host-blob', id: host.outputs.id, kind: 'blob' }
        { name: 'host-queue', id: host.outputs.id, kind: 'queue' }
        { name: 'host-table', id: host.outputs.id, kind: 'table' }
        { name: 'vault', id: vault.outputs.id, kind: 'vault' }
      ]
      elsewhere ? [] : [{ name: 'evidence-blob', id: archive!.outputs.id, kind: 'blob' }]
    ])
  }
}

module functions 'modules/app.bicep' = {
  name: 'app'
  params: {
    name: '${name}-${take(unique, 6)}'
    location: here
    tags: ownTags
    options: app
    settings: settings
    identityId: identity.id
    clientId: identity.properties.clientId
    hostStorage: host.outputs.name
    packagesUri: host.outputs.packagesUri
    evidenceBlobUri: elsewhere ? evidence.existingBlobUri! : archive!.outputs.blobUri
    insightsConnectionString: monitor.outputs.connectionString
    slackReference: vault.outputs.slackReference
    teamsReference: vault.outputs.teamsReference
    pagerReference: vault.outputs.pagerReference
    virusTotalReference: vault.outputs.virusTotalReference
    custodyKey: vault.outputs.signingKeyUri
    subnetId: network.private ? net!.outputs.appSubnetId : ''
  }
  dependsOn: [endpoints]
}

module alarms 'modules/alarms.bicep' = {
  name: 'alarms'
  params: {
    name: name
    location: here
    tags: ownTags
    workspaceId: monitor.outputs.workspaceId
    custodyWorkspaceId: elsewhere ? '' : (evidence.?logWorkspaceId ?? monitor.outputs.workspaceId)
    evidenceAccount: elsewhere ? '' : archive!.outputs.name
    principalId: identity.properties.principalId
    actionGroupIds: monitor.outputs.actionGroupIds
    enabled: monitoring.?enabled ?? true
  }
}

module workbook 'modules/workbook.bicep' = {
  name: 'workbook'
  params: {
    name: name
    location: here
    tags: ownTags
    workspaceId: monitor.outputs.workspaceId
  }
}

output functionApp string = functions.outputs.name
output identityPrincipalId string = identity.properties.principalId
output identityClientId string = identity.properties.clientId
output hostStorage string = host.outputs.name
output evidenceStorage string = elsewhere ? '' : archive!.outputs.name
output evidenceBlobUri string = elsewhere ? evidence.existingBlobUri! : archive!.outputs.blobUri

@description('Where Azure keeps the second copy of the evidence; empty: there is none.')
output evidenceSecondaryRegion string = elsewhere ? '' : archive!.outputs.secondaryRegion

output keyVault string = vault.outputs.name
output workspaceId string = monitor.outputs.workspaceId
output outboundAddress string = network.private ? net!.outputs.outboundAddress : ''
