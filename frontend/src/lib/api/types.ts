import type { components, operations } from "@/lib/api/schema"

/** Short names for the API's shapes; `schema.d.ts` is generated from `openapi.json` by `npm run generate:api`. */
type Schemas = components["schemas"]

export type Conversation = Schemas["ConversationRead"]
export type ConversationUpdate = Schemas["ConversationUpdate"]
export type ConversationPage = Schemas["ConversationPage"]
export type StoredMessage = Schemas["MessageRead"]
export type MessagePage = Schemas["MessagePage"]
export type Profile = Schemas["ProfileRead"]
export type ProfileUpdate = Schemas["ProfileUpdate"]
export type Balance = Schemas["BalanceRead"]
export type Transaction = Schemas["TransactionRead"]
export type TransactionPage = Schemas["TransactionPage"]
export type StopResult = Schemas["StopRead"]
export type TurnRequest = Schemas["TurnRequest"]
export type TransactionType = NonNullable<NonNullable<operations["list_transactions_api_transactions_get"]["parameters"]["query"]>["type"]>
export type Package = Schemas["PackageRead"]
export type PackageList = Schemas["PackageList"]
export type Tier = Package["tier"]
export type Checkout = Schemas["CheckoutRead"]
export type Purchase = Schemas["PurchaseRead"]
export type Usage = operations["get_usage_api_usage_get"]["responses"][200]["content"]["application/json"]
export type MonthUsage = Schemas["MonthUsage"]
