/** Guards of requester/ and client/: what a person has is not destroyed, and what passes is waited out. */
const outputs = 'test/cli/outputs.test.ts';

export const requesterGuards = [
  {
    row: 'T51',
    what: 'an output is no input',
    file: 'requester/outputs.ts',
    from: 'if (other !== undefined) throw isTaken(output, other);',
    to: '',
    test: outputs,
    name: 'an output that is an input',
  },
  {
    row: 'T51',
    what: 'what is not our own earlier output stays',
    file: 'requester/outputs.ts',
    from: 'if (found.isFile() && output.isOurs(await readEarlier(path))) return;',
    to: 'if (found.isFile()) return;',
    test: outputs,
    name: 'is kept',
  },
  {
    row: 'T51',
    what: 'what cannot be written is found before anybody is asked',
    file: 'requester/outputs.ts',
    from: 'await tryToWrite(outputs);',
    to: '',
    test: outputs,
    name: 'is found before',
  },
  {
    row: 'T51',
    what: 'a bundle of another group is not ours',
    file: 'requester/earlier.ts',
    from: 'return groupKey === undefined || encodeBase64Url(statement.groupKey) === groupKey;',
    to: 'return true;',
    test: outputs,
    name: 'a bundle of another group',
  },
];
