// For good. Everything that a deployment in earnest should have thought about is written out; the groups have to be
// yours before it can be deployed. docs/deploy.md
using 'main.bicep'

param name = 'bulkhead'
param location = 'westeurope'
// Incidents and evidence stay here. Add the paired region only if a copy of the evidence may lie there.
param allowedRegions = ['westeurope']

param evidence = {
  // As long as your counsel says, and no longer: nothing can be deleted before (docs/privacy.md).
  immutabilityDays: 365
  // Azure creates a policy Unlocked only. Lock it once the first deployment is accepted, and for good: then write
  // Locked here, since a deployment that says Unlocked is refused from then on.
  immutabilityState: 'Unlocked'
  redundancy: 'Standard_ZRS'
  softDeleteDays: 30
  coolAfterDays: 30
  deleteAfterDays: 730
  // A key of its own seals every run of the archive; the app can sign with it, and nobody can take it out.
  signingKey: true
}

param app = {
  instanceMemoryMB: 512
  maximumInstances: 40
  // One instance of each containing function is always warm. Costs money, saves a cold start before a containment.
  alwaysReady: 1
  redundancy: 'Standard_ZRS'
  stagingDays: 14
  snapshotDays: 730
  lock: true
  // Put the addresses into the vault with the first deployment: SLACK_WEBHOOK_URL=... in the environment.
  chat: ['slack']
  // Whether hashes of files may be shown to VirusTotal is for you to say (docs/privacy.md).
  virusTotal: false
}

param people = {
  reviewers: '00000000-0000-0000-0000-000000000000'
  operators: '00000000-0000-0000-0000-000000000000'
  custodians: '00000000-0000-0000-0000-000000000000'
}

param network = {
  private: true
  addressPrefix: '10.83.0.0/24'
}

param monitoring = {
  retentionDays: 365
  emails: ['soc@example.com']
}

param settings = {
  DEFENDER_CLOUD: 'commercial'
  RESPONSE_MODE: 'observe'
  ISOLATION_CAPS: '{"per_incident": 5, "per_hour": 10, "per_day": 50, "fleet_share": 0.05}'
  // What must never be cut off, whatever happens on it. Names are full or first labels.
  PROTECTED: '{"ids": [], "names": ["dc01", "dc02"], "tags": ["never-isolate"], "groups": []}'
  NOTIFY_DETAIL: 'minimal'
}

// Given once, they stay in the vault: a deployment without them leaves them as they are.
param slackWebhookUrl = readEnvironmentVariable('SLACK_WEBHOOK_URL', '')
param teamsWebhookUrl = readEnvironmentVariable('TEAMS_WEBHOOK_URL', '')
param pagerWebhookUrl = readEnvironmentVariable('PAGER_WEBHOOK_URL', '')
param virusTotalKey = readEnvironmentVariable('VIRUSTOTAL_API_KEY', '')
