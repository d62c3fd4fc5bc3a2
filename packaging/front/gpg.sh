#!/bin/sh
':' /*
# One file, read by two programs. sh hands the calls that certainly sign nothing on to the real gpg at once, in 2 ms: gpg
# takes over this very process. Every other call is judged by JavaScript, which begins below, where sh never comes.
# A call is certain when each option is one of these, written in full, and one of them is a command: gpg refuses such a
# command together with one that signs, even where that one comes from its configuration.
tool=${FROSTMARK_GPG:-gpg}
certain=
value=
for argument in "$@"; do
  case $value$argument in
  value-*)
    certain=
    break
    ;;
  value*) value= ;;
  --verify | --version | --decrypt | --import | --export | --list-keys | --list-secret-keys | --list-sigs | --check-sigs) certain=yes ;;
  --show-keys | --list-packets | --recv-keys | --send-keys | --refresh-keys | --locate-keys | --export-secret-keys) certain=yes ;;
  --card-status | --dearmor | --enarmor | --gpgconf-list | --delete-keys | --import-ownertrust | -d | -k | -K) certain=yes ;;
  --status-fd | --logger-fd | --keyid-format | --homedir | --keyring | --keyserver | --trust-model | --pinentry-mode) value=value ;;
  --status-fd=* | --logger-fd=* | --keyid-format=* | --homedir=* | --keyring=* | --keyserver=* | --trust-model=*) ;;
  --pinentry-mode=* | --list-options=* | --verify-options=* | --import-options=* | --export-options=*) ;;
  --with-colons | --with-fingerprint | --with-keygrip | --fixed-list-mode | --no-default-keyring | --no-autostart) ;;
  --batch | --no-tty | --yes | --quiet | --verbose | --armor | --no-auto-key-retrieve | -a | -q | -v | - | --) ;;
  -*)
    certain=
    break
    ;;
  esac
done
# What is not found, or is ourselves again, JavaScript tells in words.
if [ "$certain" ] && [ "$FROSTMARK_HANDED_ON" != gpg ] && command -v "$tool" >/dev/null 2>&1; then
  FROSTMARK_HANDED_ON=gpg
  export FROSTMARK_HANDED_ON
  exec "$tool" "$@"
fi
exec node "$0" "$@"
*/;
