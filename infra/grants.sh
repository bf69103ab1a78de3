#!/usr/bin/env bash
# The app roles of the app's identity, with az: what grants.bicep does, where Bicep cannot. Needs somebody who may
# grant app roles (AppRoleAssignment.ReadWrite.All, such as a Privileged Role Administrator). May be repeated.
set -euo pipefail

usage='Usage: infra/grants.sh [--check | --revoke] PRINCIPAL_ID

Grants the app roles that Bulkhead needs to the identity with this object id (output IDENTITY_PRINCIPAL_ID).
  --check   change nothing; say what is missing and what is there without being needed (exit 1 if anything is missing)
  --revoke  take back every role that the identity has in these two APIs

GRAPH_APP_ID and DEFENDER_APP_ID override the app ids of the APIs, should a cloud have others.'

# docs/permissions.md says what each is for. A test holds these against the responders.
roles='
graph SecurityIncident.ReadWrite.All
graph ThreatHunting.Read.All
defender Machine.Read.All
defender Machine.Isolate
defender Machine.CollectForensics
defender Machine.RestrictExecution
defender Machine.Scan
defender Machine.StopAndQuarantine
defender Machine.LiveResponse
defender Library.Manage
'

mode=grant
case "${1:-}" in
  --check) mode=check; shift ;;
  --revoke) mode=revoke; shift ;;
  -h | --help) echo "$usage"; exit 0 ;;
esac
if [ $# -ne 1 ] || [[ ! $1 =~ ^[0-9a-fA-F-]{36}$ ]]; then
  echo "$usage" >&2
  exit 2
fi
principal=$1

graph_url=$(az cloud show --query endpoints.microsoftGraphResourceId -o tsv)
graph_url=${graph_url%/}/v1.0
assignments=$graph_url/servicePrincipals/$principal/appRoleAssignments

app_id() {
  case "$1" in
    graph) echo "${GRAPH_APP_ID:-00000003-0000-0000-c000-000000000000}" ;;
    defender) echo "${DEFENDER_APP_ID:-fc780465-2017-40d4-a0c5-307022471b92}" ;;
  esac
}

# The service principal of an API in this tenant. Without Defender for Endpoint there is none.
resource_id() {
  az ad sp show --id "$(app_id "$1")" --query id -o tsv || {
    echo "This tenant does not know the API '$1' ($(app_id "$1")). Is Defender for Endpoint set up?" >&2
    return 1
  }
}

role_id() {
  local id
  id=$(az ad sp show --id "$(app_id "$1")" -o tsv \
    --query "appRoles[?value=='$2' && contains(allowedMemberTypes, 'Application')].id | [0]")
  if [ -z "$id" ]; then
    echo "The API '$1' has no app role $2 in this cloud." >&2
    return 1
  fi
  echo "$id"
}

# One line for each role that the identity has in an API: id of the assignment, id of the role.
held() {
  az rest --method GET --url "$assignments?\$top=999" -o tsv --query "value[?resourceId=='$1'].[id, appRoleId]"
}

missing=0
for api in graph defender; do
  resource=$(resource_id "$api")
  have=$(held "$resource")

  if [ "$mode" = revoke ]; then
    while read -r assignment _; do
      [ -n "$assignment" ] || continue
      az rest --method DELETE --url "$assignments/$assignment" >/dev/null
      echo "revoked  $api $assignment"
    done <<<"$have"
    continue
  fi

  needed=''
  while read -r of role; do
    [ "$of" = "$api" ] || continue
    id=$(role_id "$api" "$role")
    needed="$needed $id"
    if grep -q -F "$id" <<<"$have"; then
      echo "granted  $api $role"
    elif [ "$mode" = check ]; then
      echo "MISSING  $api $role"
      missing=1
    else
      az rest --method POST --url "$assignments" --headers Content-Type=application/json >/dev/null \
        --body "{\"principalId\": \"$principal\", \"resourceId\": \"$resource\", \"appRoleId\": \"$id\"}"
      echo "granted  $api $role (new)"
    fi
  done <<<"$roles"

  while read -r _ id; do
    [ -z "$id" ] || grep -q -w -F -- "$id" <<<"$needed" || echo "SURPLUS  $api role $id is there and not needed"
  done <<<"$have"
done

if [ "$mode" = grant ]; then
  echo 'A token that the identity has already does not carry new roles. It may take hours until the app has a fresh one.'
fi
exit $missing
