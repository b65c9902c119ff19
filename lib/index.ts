export { AllowAllAuth } from './auth/allow-all.auth.js';
export { CredentialsAuth, hashPassword, type UserEntry } from './auth/credentials.auth.js';
export { JwtAuth, type JwtAuthOptions } from './auth/jwt.auth.js';
export type { TopicRules } from './auth/topic-rules.js';
export { ScramAuth, hashScramPassword, type ScramEntry } from './auth/scram.auth.js';
export type { BrokerEvents as MQTTdEvents, Departure as MQTTdDeparture } from './broker/announcements.js';
export { Auth, type AuthExchange, type AuthStep, type Identity, type Login, type Verdict } from './broker/auth.js';
export { Broker as MQTTdBroker } from './broker/broker.js';
export type { Capabilities as MQTTdCapabilities } from './broker/capabilities.js';
export type { Client as MQTTdClient, Peer } from './broker/client.js';
export type { Limits as MQTTdLimits } from './broker/limits.js';
export { Listener } from './broker/listener.js';
export type { Message as MQTTdMessage } from './broker/message.js';
export { Router, type Subscriber } from './broker/router.js';
export type { ShareMember, ShareStrategy, ShareStrategyName } from './broker/share-strategy.js';
export { Store } from './broker/store.js';
export type { ServerTlsOptions } from './listeners/server-certificates.js';
export { TcpListener, type TcpListenerOptions } from './listeners/tcp.listener.js';
export { UnixListener, type UnixListenerOptions } from './listeners/unix.listener.js';
export { WebSocketListener, type WebSocketListenerOptions } from './listeners/websocket.listener.js';
export { MQTTdContext } from './mqttd.context.js';
export {
  ConnectedClient,
  MQTTD_TRANSPORT,
  OnConnect,
  OnDisconnect,
  OnPublish,
  OnRequest,
  OnSubscribe,
  OnUnsubscribe,
  Topic,
  TopicParam,
  type HandlerMode,
  type OnPublishOptions,
} from './mqttd.decorators.js';
export {
  MQTTdException,
  MQTTdPublishError,
  MQTTdRequestError,
  MQTTdUsageError,
  type MQTTdRequestErrorCode,
  type MQTTdUsageErrorCode,
} from './mqttd.errors.js';
export { grantQoS, type MQTTdGrant, type MQTTdGreeting } from './mqttd.greetings.js';
export { MQTTdHealthIndicator, type MQTTdHealth } from './mqttd.health.js';
export { MQTTdMetrics } from './mqttd.metrics.js';
export { MQTTdModule } from './mqttd.module.js';
export { MQTTD_OPTIONS } from './mqttd.options.js';
export type {
  MQTTdAddress,
  MQTTdEntranceOptions,
  MQTTdProxied,
  MQTTdUnixOptions,
  MQTTdWebSocketOptions,
  MQTTdListenerOptions,
  MQTTdOptions,
  MQTTdPlace,
  MQTTdTlsOptions,
} from './mqttd.options.js';
export type { MQTTdPart } from './mqttd.parts.js';
export { MQTTdPublisher, type MQTTdPublishOptions, type MQTTdRequestOptions } from './mqttd.publisher.js';
export { MQTTdStrategy, type MQTTdStatus } from './mqttd.strategy.js';
export { dropMessage, replaceMessage, type MQTTdReplacement, type MQTTdVerdict } from './mqttd.verdicts.js';
export {
  MQTTdRefusedError,
  MQTTdTestClient,
  type MQTTdTestAnswer,
  type MQTTdTestConnectOptions,
  type MQTTdTestMessage,
} from './mqttd.test-client.js';
export { MQTTdTesting } from './mqttd.testing.js';
export type { ProtocolVersion, QoS } from './protocol/packets.js';
export type { Properties as MQTTdProperties } from './protocol/properties.js';
export { ReasonCode } from './protocol/reason-codes.js';
export { ScriptedListener, type ScriptedListenerOptions } from './scripted/scripted.listener.js';
export { DirectRouter } from './routers/direct.router.js';
export { RedisCounters } from './redis/redis-counters.js';
export { RedisRouter } from './routers/redis.router.js';
export type { RedisRouterOptions } from './redis/redis-options.js';
export { LmdbStore, type LmdbStoreOptions } from './stores/lmdb.store.js';
export { MemoryStore } from './stores/memory.store.js';
export { RedisStore } from './stores/redis.store.js';
export type { Match, Target } from './topics/match.js';
export type { Subscription } from './topics/subscription.js';
