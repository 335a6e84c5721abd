variable "project" {
  type        = string
  description = "The Google Cloud project."
}

variable "region" {
  type        = string
  description = "Near the database: every question asks it several times."
  default     = "europe-west1"
}

variable "release" {
  type        = string
  description = "The tag of the three images that run; the README's commands push them under the commit's name."
}

variable "site_hostname" {
  type        = string
  description = "The site's public name, such as chat.yourdomain.com (FRONTEND_HOSTNAME elsewhere)."
}

variable "api_hostname" {
  type        = string
  description = "The API's public name, such as agent.yourdomain.com (AGENT_API_HOSTNAME elsewhere)."
}

variable "supabase_url" {
  type        = string
  description = "Where people sign in: https://your-project.supabase.co, or an auth service of your own."
}

variable "settings" {
  type        = map(string)
  description = "Further settings of both services that are no secrets, by the names of docs/settings.md."
  default     = {}
  validation {
    condition     = alltrue([for name in keys(var.settings) : contains(concat(local.settings_of_api, local.settings_of_ingestion), name)])
    error_message = "A name is no setting of the API or the worker, or it is a secret, which belongs into Secret Manager."
  }
}

variable "secrets" {
  type        = set(string)
  description = "Settings that come from Secret Manager. Each needs a version before a service starts with it."
  default = [
    "DATABASE_URL",
    "SUPABASE_SERVICE_KEY",
    "LLM_API_KEY",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
  ]
}

variable "api_instances_min" {
  type        = number
  description = "Instances that always run. Two, so that losing one interrupts nobody else."
  default     = 2
}

variable "api_instances_max" {
  type        = number
  description = "Times DATABASE_POOL_MAX_SIZE: what the database or its pooler must admit."
  default     = 6
}

variable "ingestion_type" {
  type        = string
  description = "RAG_PIPELINE_TYPE. With local, uploads are indexed and nothing else: a job has no folder."
  default     = "google_drive"
  validation {
    condition     = contains(["google_drive", "local"], var.ingestion_type)
    error_message = "The type is google_drive or local."
  }
}

variable "ingestion_schedule" {
  type        = string
  description = "How often the source is looked at (cron, UTC)."
  default     = "*/10 * * * *"
}

variable "watch_folder_id" {
  type        = string
  description = "RAG_WATCH_FOLDER_ID: the Drive folder that is read; empty: everything the account may read."
  default     = ""
}

variable "create_database" {
  type        = bool
  description = "Whether to run Postgres in Cloud SQL, reached by its private address; false: a Supabase project holds it."
  default     = false
}

variable "database_tier" {
  type        = string
  description = "The Cloud SQL machine, with create_database."
  default     = "db-custom-2-7680"
}

variable "network" {
  type        = string
  description = "The VPC network in which Cloud SQL gets its address, with create_database."
  default     = "default"
}
