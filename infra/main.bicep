// A resource group with everything in it: `azd up`, or `az deployment sub create`.

targetScope = 'subscription'

import { AppOptions, EvidenceOptions, MonitoringOptions, NetworkOptions, PeopleOptions } from 'options.bicep'
import { Settings } from 'settings.bicep'

@description('What this deployment is called: in its resources, and in the markers that it leaves in Defender.')
@minLength(3)
@maxLength(24)
param name string

@description('The region.')
param location string

@description('Regions in which incidents and evidence may lie. Any other one is refused.')
@minLength(1)
param allowedRegions string[]

param resourceGroupName string = 'rg-${name}'
param evidence EvidenceOptions
param app AppOptions = {}
param people PeopleOptions = {}
param network NetworkOptions = { private: false }
param monitoring MonitoringOptions = {}

@description('Settings of the app, by their names in README.md.')
param settings Settings = {}

@description('Put into the key vault when given; left as it is there otherwise.')
@secure()
param slackWebhookUrl string = ''

@description('Likewise.')
@secure()
param teamsWebhookUrl string = ''
@description('Webhook of whatever wakes a person, where the file names pager under chat.')
@secure()
param pagerWebhookUrl string = ''
@description('API key of VirusTotal, where the file says virusTotal: true.')
@secure()
param virusTotalKey string = ''

param tags object = {}

var region = toLower(replace(location, ' ', ''))

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: resourceGroupName
  location: contains(allowedRegions, region) ? region : fail('${region} is not among the allowed regions')
  tags: union(tags, { 'azd-env-name': name })
}

module bulkhead 'bulkhead.bicep' = {
  scope: group
  name: 'bulkhead'
  params: {
    name: name
    location: region
    allowedRegions: allowedRegions
    evidence: evidence
    app: app
    people: people
    network: network
    monitoring: monitoring
    settings: settings
    slackWebhookUrl: slackWebhookUrl
    teamsWebhookUrl: teamsWebhookUrl
    pagerWebhookUrl: pagerWebhookUrl
    virusTotalKey: virusTotalKey
    tags: tags
  }
}

// azd keeps these names in its environment; the commands in docs/deploy.md use them.
output RESOURCE_GROUP string = group.name
output FUNCTION_APP string = bulkhead.outputs.functionApp
output IDENTITY_PRINCIPAL_ID string = bulkhead.outputs.identityPrincipalId
output IDENTITY_CLIENT_ID string = bulkhead.outputs.identityClientId
output HOST_STORAGE string = bulkhead.outputs.hostStorage
output EVIDENCE_STORAGE_ACCOUNT string = bulkhead.outputs.evidenceStorage
output EVIDENCE_SECONDARY_REGION string = bulkhead.outputs.evidenceSecondaryRegion
output KEY_VAULT string = bulkhead.outputs.keyVault
output WORKSPACE_ID string = bulkhead.outputs.workspaceId
output OUTBOUND_ADDRESS string = bulkhead.outputs.outboundAddress
