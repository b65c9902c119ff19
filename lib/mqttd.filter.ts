import { Catch, Logger, type RpcExceptionFilter } from '@nestjs/common';
import type { ApplicationConfig } from '@nestjs/core';
import { throwError, type Observable } from 'rxjs';
import { isFault } from './mqttd.outcomes.js';

/**
 * The last of all filters: passes on what was thrown as it is, so that it can be seen which Reason Code it stands for, where
 * Nest's own would make "Internal server error" of it.
 */
@Catch()
export class MQTTdExceptionFilter implements RpcExceptionFilter {
  private readonly logger = new Logger('MQTTd');

  catch(error: unknown): Observable<never> {
    if (isFault(error) && error instanceof Error) this.logger.error(error.message, error.stack);
    return throwError(() => error);
  }
}

/** The same configuration, with that filter behind all others. */
export function withLastFilter(config: ApplicationConfig): ApplicationConfig {
  const last = new MQTTdExceptionFilter();
  const derived = Object.create(config) as ApplicationConfig;
  // Nest asks the filters in reverse.
  derived.getGlobalFilters = () => [last, ...config.getGlobalFilters()];
  return derived;
}
