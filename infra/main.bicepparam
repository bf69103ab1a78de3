// What `azd up` deploys: a lab, unless its environment says otherwise (`azd env set NAME VALUE`). For production, write
// a file as production.bicepparam is one and deploy it with az, or put its contents here.
using 'main.bicep'

param name = readEnvironmentVariable('AZURE_ENV_NAME')
param location = readEnvironmentVariable('AZURE_LOCATION')
param allowedRegions = split(readEnvironmentVariable('BULKHEAD_ALLOWED_REGIONS', readEnvironmentVariable('AZURE_LOCATION')), ',')

param evidence = {
  immutabilityDays: int(readEnvironmentVariable('BULKHEAD_IMMUTABILITY_DAYS', '1'))
  immutabilityState: 'Unlocked'
  redundancy: 'Standard_LRS'
  softDeleteDays: 7
}

param app = {
  redundancy: 'Standard_LRS'
  chat: empty(readEnvironmentVariable('SLACK_WEBHOOK_URL', '')) ? [] : ['slack']
}

param people = {
  reviewers: readEnvironmentVariable('BULKHEAD_REVIEWERS', '')
  operators: readEnvironmentVariable('BULKHEAD_OPERATORS', '')
}

param monitoring = {
  retentionDays: 30
}

param settings = {
  DEFENDER_CLOUD: 'commercial'
  RESPONSE_MODE: 'observe'
}

param slackWebhookUrl = readEnvironmentVariable('SLACK_WEBHOOK_URL', '')
