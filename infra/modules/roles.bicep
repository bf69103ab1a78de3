// The custom roles, where a built-in one would allow too much. Their actions are in roles.json.

var roles = loadJsonContent('../roles.json').custom
var suffix = take(uniqueString(resourceGroup().id), 6)

resource writer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, roles.writer.name)
  properties: {
    // Names of custom roles are unique in a tenant.
    roleName: '${roles.writer.name} (${suffix})'
    description: roles.writer.description
    type: 'CustomRole'
    permissions: [{ actions: roles.writer.actions, dataActions: roles.writer.dataActions }]
    assignableScopes: [resourceGroup().id]
  }
}

resource custodian 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, roles.custodian.name)
  properties: {
    roleName: '${roles.custodian.name} (${suffix})'
    description: roles.custodian.description
    type: 'CustomRole'
    permissions: [{ actions: roles.custodian.actions, dataActions: roles.custodian.dataActions }]
    assignableScopes: [resourceGroup().id]
  }
}

output writerId string = writer.id
output custodianId string = custodian.id
