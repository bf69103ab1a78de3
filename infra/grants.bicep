// The app roles of the app's identity: what it may do in Microsoft Graph and in Defender. Apart from everything else,
// since who deploys needs AppRoleAssignment.ReadWrite.All and Application.Read.All for it, which most pipelines must
// not have. grants.sh does the same with az.
//
//   az deployment group create -g GROUP --template-file infra/grants.bicep --parameters principalId=OBJECT_ID
//
// Roles are looked up by their names: their ids differ between clouds. This adds; it takes nothing away.

extension microsoftGraphV1

@description('Object id of the identity (output IDENTITY_PRINCIPAL_ID).')
param principalId string

@description('App ids of the two APIs. Should a cloud have others, give them.')
param graphAppId string = '00000003-0000-0000-c000-000000000000'
param defenderAppId string = 'fc780465-2017-40d4-a0c5-307022471b92'

// docs/permissions.md says what each is for. A test holds these against the responders.
var graphRoles = [
  'SecurityIncident.ReadWrite.All'
  'ThreatHunting.Read.All'
]
var defenderRoles = [
  'Machine.Read.All'
  'Machine.Isolate'
  'Machine.CollectForensics'
  'Machine.RestrictExecution'
  'Machine.Scan'
  'Machine.StopAndQuarantine'
  'Machine.LiveResponse'
  'Library.Manage'
]

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: graphAppId
}

resource defender 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: defenderAppId
}

resource inGraph 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for role in graphRoles: {
    appRoleId: filter(graph.appRoles, each => each.value == role && contains(each.allowedMemberTypes, 'Application'))[0].id
    principalId: principalId
    resourceId: graph.id
  }
]

resource inDefender 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for role in defenderRoles: {
    appRoleId: filter(defender.appRoles, each => each.value == role && contains(each.allowedMemberTypes, 'Application'))[0].id
    principalId: principalId
    resourceId: defender.id
  }
]
