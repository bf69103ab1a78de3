// Private endpoints with their names, so that inside the network the same addresses lead to private ones.

param name string
param location string
param tags object = {}
param networkId string
param subnetId string

@description('What is reached: id of the resource, kind of endpoint (blob, queue, table, vault), and a name for it.')
param targets { name: string, id: string, kind: 'blob' | 'queue' | 'table' | 'vault' }[]

var storage = environment().suffixes.storage
var zoneNames = {
  blob: 'privatelink.blob.${storage}'
  queue: 'privatelink.queue.${storage}'
  table: 'privatelink.table.${storage}'
  // .vault.azure.net is looked up as privatelink.vaultcore.azure.net, and likewise in other clouds.
  vault: 'privatelink${replace(environment().suffixes.keyvaultDns, '.vault.', '.vaultcore.')}'
}
var kinds = ['blob', 'queue', 'table', 'vault']

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [
  for kind in kinds: {
    name: zoneNames[kind]
    location: 'global'
    tags: tags
  }
]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [
  for (kind, index) in kinds: {
    parent: zones[index]
    name: '${name}-${kind}'
    location: 'global'
    properties: { registrationEnabled: false, virtualNetwork: { id: networkId } }
  }
]

resource endpoints 'Microsoft.Network/privateEndpoints@2025-09-01' = [
  for target in targets: {
    name: '${name}-${target.name}'
    location: location
    tags: tags
    properties: {
      subnet: { id: subnetId }
      privateLinkServiceConnections: [
        { name: target.name, properties: { privateLinkServiceId: target.id, groupIds: [target.kind] } }
      ]
    }
  }
]

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2025-09-01' = [
  for (target, index) in targets: {
    parent: endpoints[index]
    name: 'default'
    properties: {
      privateDnsZoneConfigs: [
        { name: target.kind, properties: { privateDnsZoneId: zones[indexOf(kinds, target.kind)].id } }
      ]
    }
  }
]
