// What an operator may choose, group by group. A name that is not here is an error before anything is deployed.

@export()
@sealed()
@description('The account that keeps the evidence.')
type EvidenceOptions = {
  @description('Blob service URL of an account that exists already, perhaps in another subscription. Then none is made, and its owner gives the roles (docs/deploy.md).')
  existingBlobUri: string?

  @description('Days for which a version of a blob can be neither changed nor deleted.')
  @minValue(1)
  @maxValue(146000)
  immutabilityDays: int

  @description('Azure creates a policy Unlocked only. Locked is for a later deployment, and for good.')
  immutabilityState: 'Unlocked' | 'Locked'

  @description('How many copies, and where. The geo-redundant ones keep a copy in the paired region.')
  redundancy: 'Standard_LRS' | 'Standard_ZRS' | 'Standard_GRS' | 'Standard_GZRS'

  @description('The paired region, which has to be among the allowed ones. Needed with geo-redundancy only: it is Azure that chooses the pair, and you who have looked it up.')
  pairedRegion: string?

  @description('Days for which a deleted blob or container can be brought back.')
  @minValue(7)
  @maxValue(365)
  softDeleteDays: int?

  @description('Days after which evidence moves to the cool tier.')
  @minValue(1)
  coolAfterDays: int?

  @description('Days after which evidence is deleted; no fewer than immutabilityDays. Without it, nothing is ever deleted.')
  @minValue(1)
  deleteAfterDays: int?

  @description('Whether a key is made in the key vault with which the app signs what it archives (CUSTODY_KEY). The app may sign with it and nothing else; nobody can take it out.')
  signingKey: bool?

  @description('Workspace for the log of who read and wrote evidence, best one that the people who run Bulkhead cannot change. Without it, this deployment\'s own.')
  logWorkspaceId: string?
}

@export()
@sealed()
@description('The function app and the storage that it works on.')
type AppOptions = {
  @description('Memory of an instance in MB.')
  instanceMemoryMB: (512 | 2048 | 4096)?

  @description('The most instances that the platform may run.')
  @minValue(1)
  @maxValue(1000)
  maximumInstances: int?

  @description('Instances of each containing function that are always running: no cold start before a containment.')
  @minValue(0)
  alwaysReady: int?

  @description('Redundancy of host storage (queues, ledger, snapshots).')
  redundancy: ('Standard_LRS' | 'Standard_ZRS')?

  @description('Days after which what lies in staging is deleted.')
  @minValue(1)
  stagingDays: int?

  @description('Days after which snapshots of incidents are deleted. Without it, they stay.')
  @minValue(30)
  snapshotDays: int?

  @description('Locks both storage accounts against deletion by people who mean another resource group.')
  lock: bool?

  @description('Channels that are told: their webhook addresses are secrets in the key vault.')
  chat: ('slack' | 'teams' | 'pager')[]?

  @description('Asks VirusTotal about the hashes of an incident\'s files, never with a file. The key is in the key vault.')
  virusTotal: bool?
}

@export()
@sealed()
@description('Entra groups, by object id. A group that is not named gets no role.')
type PeopleOptions = {
  @description('May read evidence and the review pages.')
  reviewers: string?

  @description('May read the ledger and the snapshots, and send orders: approve, release, hold.')
  operators: string?

  @description('May set and clear legal holds.')
  custodians: string?
}

@export()
@sealed()
@description('A network of its own.')
type NetworkOptions = {
  @description('Private endpoints for storage and key vault, no public access to them, and outbound traffic through one address.')
  private: bool

  @description('The network\'s address space: /24 or wider.')
  addressPrefix: string?
}

@export()
@sealed()
@description('What is logged, and who is told of alarms.')
type MonitoringOptions = {
  @description('Days for which logs are kept.')
  @minValue(30)
  @maxValue(730)
  retentionDays: int?

  @description('Addresses that get alarms by mail.')
  emails: string[]?

  @description('Existing action groups that get alarms too.')
  actionGroupIds: string[]?

  @description('Whether alarms sound at all.')
  enabled: bool?
}
