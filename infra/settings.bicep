// Every setting of the app that an operator gives, by the name it has in README.md. What the deployment sets itself
// (storage, identity, webhooks, the key for VirusTotal) is in modules/app.bicep. A misspelt name is an error, not a setting that nobody reads.

@export()
@sealed()
type Settings = {
  DEPLOYMENT: string?
  CUSTODY_KEY: string?
  DEFENDER_CLOUD: ('commercial' | 'gcc' | 'gcchigh' | 'dod')?
  DEFENDER_API_URL: string?
  GRAPH_API_URL: string?
  RESPONSE_MODE: ('observe' | 'respond')?
  WATCH_SCHEDULE: string?
  FOLLOW_SCHEDULE: string?
  HOUSEKEEPING_SCHEDULE: string?
  POLICY_FILE: string?
  RATE_LIMITS: string?
  ISOLATION_CAPS: string?
  PROTECTED: string?
  WATCH_FROM: string?
  WATCH_OVERLAP: string?
  WATCH_SLICE: string?
  WATCH_ALARM: string?
  STALL_ALARM: string?
  MAX_AGE_TO_CONTAIN: string?
  ACTION_VISIBILITY: string?
  NUDGE_AFTER: string?
  APPROVAL_EXPIRES: string?
  AWAY_REISSUES: string?
  COLLECT_PATIENCE: string?
  CLOSE_AFTER: string?
  TIME_BUDGET: string?
  DOWNLOAD_HOSTS: string?
  NOTIFY_DETAIL: ('minimal' | 'full')?
  TOOLS: string?
  LIVE_RESPONSE_POLL: string?
  LIVE_RESPONSE_PATIENCE: string?
  MEMORY_PART_SIZE: string?
  MEMORY_PATIENCE: string?
  WINDOWS_LIVE_RESPONSE: ('off' | 'experimental')?
  LANGUAGE: ('en' | 'ja')?
  REPORT_ZONE: string?
  REPORT_EVERY: string?
  REVIEW_URL: string?
  HUNT_WINDOW: string?
  HUNT_QUERIES: string?
  VIRUSTOTAL_URL: string?
}
