import type { IncomingMessage, ServerResponse } from 'node:http';
import helmet from 'helmet';

/** For pages that the server itself shows: nothing from elsewhere, no inline scripts. HTTPS is a proxy's matter. */
const setSecurityHeaders = helmet({
  contentSecurityPolicy: {
    useDefaults: false,
    directives: {
      defaultSrc: ["'none'"],
      scriptSrc: ["'self'"],
      styleSrc: ["'self'", "'unsafe-inline'"],
      imgSrc: ["'self'", 'data:'],
      connectSrc: ["'self'"],
      // The page of the queue names its own path as the base of its links.
      baseUri: ["'self'"],
      formAction: ["'none'"],
      frameAncestors: ["'none'"],
    },
  },
  strictTransportSecurity: false,
});

/** Helmet's headers, as the lines of a head. They are the same in every answer, so they are written once. */
export const SECURITY_HEADERS = headLines();

function headLines(): string {
  const lines: string[] = [];
  const collector = {
    setHeader: (name: string, value: string) => lines.push(`${name}: ${value}\r\n`),
    removeHeader: () => {},
  };
  setSecurityHeaders({} as IncomingMessage, collector as unknown as ServerResponse, () => {});
  return lines.join('');
}
