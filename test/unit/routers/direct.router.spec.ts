import { DirectRouter } from '../../../lib/routers/direct.router.js';
import { describeRouter } from '../../support/router-contract.js';

describeRouter('DirectRouter', () => ({ router: new DirectRouter() }));
