import { Injectable } from '@nestjs/common';

/** What an application has in its database. */
@Injectable()
export class Devices {
  private readonly secrets = new Map([
    ['meter-7', 'seven'],
    ['meter-8', 'eight'],
  ]);
  private readonly retired = new Set(['meter-8']);

  isKnown(name: string, secret: string): boolean {
    return this.secrets.get(name) === secret;
  }

  isRetired(name: string): boolean {
    return this.retired.has(name);
  }
}
