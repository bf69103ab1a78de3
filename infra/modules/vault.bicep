// The only secrets that there are: the webhook addresses, and a key for VirusTotal. The app reads them, and no person
// needs a role to put them there, since that goes through a deployment.

@minLength(3)
@maxLength(24)
param name string
param location string
param tags object = {}
param private bool
param principalId string
param workspaceId string

@description('Whether a deleted vault is kept from being purged. Then its name is taken for a week.')
param lock bool

@description('Webhook addresses by channel. What is empty is left as it is in the vault.')
@secure()
param webhooks object

@description('API key of VirusTotal. Where it is empty, it is left as it is in the vault.')
@secure()
param virusTotalKey string

@description('Whether there is a key to sign evidence with.')
param signingKey bool

var role = loadJsonContent('../roles.json').builtIn['Key Vault Secrets User']
var signer = loadJsonContent('../roles.json').custom.signer

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: { family: 'A', name: 'standard' }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 7
    // Azure takes true or nothing.
    enablePurgeProtection: lock ? true : null
    publicNetworkAccess: private ? 'Disabled' : 'Enabled'
    networkAcls: { bypass: 'AzureServices', defaultAction: private ? 'Deny' : 'Allow' }
  }
}

resource slack 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(webhooks.slack)) {
  parent: vault
  name: 'slack-webhook-url'
  properties: { value: webhooks.slack }
}

resource teams 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(webhooks.teams)) {
  parent: vault
  name: 'teams-webhook-url'
  properties: { value: webhooks.teams }
}

resource pager 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(webhooks.pager)) {
  parent: vault
  name: 'pager-webhook-url'
  properties: { value: webhooks.pager }
}

resource virusTotal 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(virusTotalKey)) {
  parent: vault
  name: 'virustotal-api-key'
  properties: { value: virusTotalKey }
}

resource reads 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  scope: vault
  name: guid(vault.id, principalId, role)
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

// Signs and verifies, nothing else; it cannot be taken out of the vault, and it stays when a deployment leaves it out.
resource key 'Microsoft.KeyVault/vaults/keys@2025-05-01' = if (signingKey) {
  parent: vault
  name: 'custody'
  properties: { kty: 'RSA', keySize: 3072, keyOps: ['sign', 'verify'], attributes: { enabled: true, exportable: false } }
}

resource signing 'Microsoft.Authorization/roleDefinitions@2022-04-01' = if (signingKey) {
  name: guid(resourceGroup().id, signer.name)
  properties: {
    roleName: '${signer.name} (${take(uniqueString(resourceGroup().id), 6)})'
    description: signer.description
    type: 'CustomRole'
    permissions: [{ actions: signer.actions, dataActions: signer.dataActions }]
    assignableScopes: [resourceGroup().id]
  }
}

resource signs 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (signingKey) {
  scope: key
  name: guid(vault.id, 'custody', principalId)
  properties: {
    roleDefinitionId: signing.id
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}

resource log 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  scope: vault
  name: 'audit'
  properties: {
    workspaceId: workspaceId
    logs: [{ categoryGroup: 'audit', enabled: true }]
  }
}

output id string = vault.id
output name string = vault.name

@description('The key, as the setting CUSTODY_KEY refers to it; without a version, so that a new one is picked up by itself.')
output signingKeyUri string = signingKey ? '${vault.properties.vaultUri}keys/custody' : ''

@description('The secrets, as app settings refer to them; without a version, so that a new one is picked up by itself.')
output slackReference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/slack-webhook-url)'
output teamsReference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/teams-webhook-url)'
output pagerReference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/pager-webhook-url)'
output virusTotalReference string = '@Microsoft.KeyVault(SecretUri=${vault.properties.vaultUri}secrets/virustotal-api-key)'
