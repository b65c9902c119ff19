import { HttpException } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import type { Decision } from './broker/decider.js';
import { ReasonCode, legalReasonCodes } from './protocol/reason-codes.js';

/**
 * What a client is told of what a handler, or something in front of it, has thrown: one table.
 *
 * | thrown | Reason Code |
 * |---|---|
 * | MQTTdException | its own |
 * | HttpException 400, 422 (ValidationPipe, Parse pipes), a payload that cannot be decoded | 0x99 |
 * | HttpException 401, 403, a guard that says no | 0x87 |
 * | HttpException 413, 429 | 0x97 |
 * | anything else | 0x83, a fault |
 *
 * Only codes that the packet may carry (MQTT 5: CONNACK 3.2.2.2, PUBACK 3.4.2.1, PUBREC 3.5.2.1, SUBACK 3.9.3, UNSUBACK
 * 3.11.3); 0x83 in the place of others.
 * @param type of the packet that answers
 */
export function outcomeOf(error: unknown, type: number): Decision {
  const { reasonCode, reasonString, isFault } = causeOf(error);
  const legal = legalReasonCodes[type].has(reasonCode) ? reasonCode : ReasonCode.ImplementationSpecificError;
  return { reasonCode: legal, reasonString, isFault };
}

/** One line about an error for whoever asked: nothing of what went wrong inside. */
export function toldOf(error: unknown): string {
  return causeOf(error).reasonString || 'Internal server error';
}

/** Whether the application has made something wrong, other than saying no. */
export const isFault = (error: unknown): boolean => causeOf(error).isFault === true;

function causeOf(error: unknown): Decision {
  if (error instanceof HttpException) return causeOfStatus(error);
  const given: unknown = error instanceof RpcException ? error.getError() : error;
  if (typeof given === 'string') return { reasonCode: rpcCodes[given] ?? fault.reasonCode, reasonString: given };
  if (typeof given !== 'object' || given === null || given instanceof Error) return fault;
  const { reasonCode, reasonString, message } = given as { [name: string]: unknown };
  const text = typeof reasonString === 'string' ? reasonString : '';
  if (typeof reasonCode === 'number') return { reasonCode, reasonString: text };
  if (typeof message !== 'string' || message === 'Internal server error') return fault;
  return { reasonCode: rpcCodes[message] ?? fault.reasonCode, reasonString: message };
}

/** Without a text: what went wrong inside is nobody's business outside. */
const fault: Decision = { reasonCode: ReasonCode.ImplementationSpecificError, reasonString: '', isFault: true };

/** What Nest throws where a guard says no. */
const rpcCodes: Readonly<Record<string, number>> = { 'Forbidden resource': ReasonCode.NotAuthorized };

function causeOfStatus(error: HttpException): Decision {
  const reasonCode = statusCodes[error.getStatus()];
  return reasonCode === undefined ? fault : { reasonCode, reasonString: messagesOf(error) };
}

const statusCodes: Readonly<Record<number, number>> = {
  400: ReasonCode.PayloadFormatInvalid,
  422: ReasonCode.PayloadFormatInvalid,
  401: ReasonCode.NotAuthorized,
  403: ReasonCode.NotAuthorized,
  413: ReasonCode.QuotaExceeded,
  429: ReasonCode.QuotaExceeded,
};

/** A ValidationPipe has a list of them. */
function messagesOf(error: HttpException): string {
  const response = error.getResponse();
  const messages: unknown = typeof response === 'object' && 'message' in response ? response.message : error.message;
  return Array.isArray(messages) ? messages.join('; ') : String(messages);
}

/** One line about an error of whatever shape, as Nest's RPC filters pass objects and strings on: for logs. */
export function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error;
  if (error instanceof HttpException) return messagesOf(error);
  const message = (error as { message?: unknown } | undefined)?.message;
  return typeof message === 'string' ? message : 'no reason given';
}
