import { Injectable } from '@nestjs/common';
import { Auth, type Login, type MQTTdClient, type Verdict } from 'nestjs-mqttd';

/** Who is in a team sees what is published below it, whatever filter it has subscribed to. */
@Injectable()
export class TeamsAuth extends Auth {
  private readonly teams = new Map([
    ['ann', 'red'],
    ['bob', 'blue'],
  ]);

  override authenticate({ username = '', password }: Login): Verdict {
    return this.teams.has(username) && String(password) === 'from your database';
  }

  override mayReceive({ username = '' }: MQTTdClient, topic: string): boolean {
    return topic.startsWith(`teams/${this.teams.get(username)}/`);
  }

  move(username: string, team: string): void {
    this.teams.set(username, team);
    this.reauthorize(username); // from the next message on
  }

  expel(username: string): void {
    this.teams.delete(username);
    this.revoke(username); // DISCONNECT 0x87
  }
}
