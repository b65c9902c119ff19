import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { MQTTD_TRANSPORT, patternMetadata } from './mqttd.decorators.js';
import { payloadKindOf, type PayloadKind } from './mqttd.payload.js';

/** What the source says about a handler. */
export interface DeclaredMethod {
  readonly payloadKind: PayloadKind;
  /** `SensorsController.heard`, for logs. */
  readonly label: string;
}

/**
 * The methods with a pattern for us, in the order in which Nest binds them.
 *
 * Nest hands a callback to the transport without saying which method is behind it, but in a fixed order: modules,
 * controllers, methods. Walking the same way tells class and method, and so the declared type of the payload.
 */
export class DeclaredMethods {
  /** Not bound yet, by normalized pattern. */
  private readonly methods = new Map<string, DeclaredMethod[]>();

  /** @param normalize as Nest normalizes patterns */
  constructor(
    modules: ModulesContainer,
    private readonly normalize: (pattern: unknown) => string,
  ) {
    for (const { controllers } of modules.values()) {
      for (const { metatype } of controllers.values()) {
        if (typeof metatype === 'function') this.addController(metatype as new () => unknown);
      }
    }
  }

  /** The method that Nest is binding to `pattern` now. */
  take(pattern: unknown): DeclaredMethod {
    return this.methods.get(this.normalize(pattern))?.shift() ?? { payloadKind: 'json', label: 'a handler' };
  }

  private addController(controller: new () => unknown): void {
    const prototype = controller.prototype as Record<string, object>;
    for (const name of new MetadataScanner().getAllMethodNames(prototype)) {
      const patterns = Reflect.getMetadata(patternMetadata, prototype[name]) as unknown[] | undefined;
      const transport = Reflect.getMetadata(transportMetadata, prototype[name]) as unknown;
      if (!patterns || (transport !== undefined && transport !== MQTTD_TRANSPORT)) continue;
      const method = { payloadKind: payloadKindOf(controller, name), label: `${controller.name}.${name}` };
      for (const pattern of patterns) this.add(this.normalize(pattern), method);
    }
  }

  private add(pattern: string, method: DeclaredMethod): void {
    const methods = this.methods.get(pattern);
    if (methods) methods.push(method);
    else this.methods.set(pattern, [method]);
  }
}

/** As Nest stores it; no public name reads it. */
const transportMetadata = 'microservices:transport';
