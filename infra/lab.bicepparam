// To try it: cheap, quickly deleted, evidence kept for a day and not locked. docs/deploy.md
using 'main.bicep'

param name = 'bulkhead-lab'
param location = 'westeurope'
param allowedRegions = ['westeurope']

param evidence = {
  immutabilityDays: 1
  immutabilityState: 'Unlocked'
  redundancy: 'Standard_LRS'
  softDeleteDays: 7
}

param app = {
  redundancy: 'Standard_LRS'
  chat: []
}

// Until a group of yours is named here, nobody but the app sees evidence or ledger.
param people = {}

param monitoring = {
  retentionDays: 30
}

param settings = {
  DEFENDER_CLOUD: 'commercial'
  RESPONSE_MODE: 'observe'
}
