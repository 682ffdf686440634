#include "plugin/cli/completion.h"

namespace drapci::cli {
namespace {

constexpr std::string_view kBash =
    R"sh(# bash completion for drapci: source <(drapci completion bash)
_drapci() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in
      devices|device|health|events|map|claims|plan|prepare|unprepare|verify|slices|credentials|version|completion) command=$word; break ;;
    esac
  done
  local words="-o --output --socket --timeout --help"
  if [[ $command == credentials ]]; then
    case $prev in
      -o|--output|--certificate-authority|--token-file) COMPREPLY=($(compgen -f -- "$cur")) ;;
      --token) COMPREPLY=(-) ;;
      --server|--node) ;;
      *) words="--server --certificate-authority --token-file --token --node -o --output --help"
        COMPREPLY=($(compgen -W "$words" -- "$cur")) ;;
    esac
    return
  fi
  case $prev in
    -o|--output) words="table wide json yaml" ;;
    -f|--file|--config|--socket) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    --device|--explain|--clear|device) words=$(drapci devices 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
    unprepare) words=$(drapci claims 2>/dev/null | awk 'NR > 1 { print $2, $3 }') ;;
    completion) words="bash zsh fish" ;;
    *)
      if [[ -z $command && $cur != -* ]]; then
        words="devices device health events map claims plan prepare unprepare verify slices credentials version completion"
      elif [[ $command == plan || $command == prepare ]]; then
        words="-f --file --name --device --share --config $words"
      elif [[ $command == health ]]; then
        words="--watch --explain --clear $words $(drapci devices 2>/dev/null | awk 'NR > 1 { print $1 }')"
      elif [[ $command == events ]]; then
        words="--follow $words $(drapci devices 2>/dev/null | awk 'NR > 1 { print $1 }')"
      elif [[ $command == map ]]; then
        words="--svg $words $(drapci devices 2>/dev/null | awk 'NR > 1 { print $1 }')"
      fi ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -F _drapci drapci
)sh";

constexpr std::string_view kZsh = R"sh(# zsh completion for drapci: source <(drapci completion zsh)
autoload -Uz bashcompinit && bashcompinit
)sh";

constexpr std::string_view kFish =
    R"sh(# fish completion for drapci: drapci completion fish | source
function __drapci_devices; drapci devices 2>/dev/null | awk 'NR > 1 { print $1 }'; end
function __drapci_claims; drapci claims 2>/dev/null | awk 'NR > 1 { print $2; print $3 }'; end
set -l commands devices device health events map claims plan prepare unprepare verify slices credentials version completion
complete -c drapci -f
complete -c drapci -n __fish_use_subcommand -a "$commands"
complete -c drapci -n "not __fish_seen_subcommand_from credentials" -s o -l output -x -a "table wide json yaml"
complete -c drapci -n "__fish_seen_subcommand_from credentials" -s o -l output -r -F
complete -c drapci -n "__fish_seen_subcommand_from credentials" -l server -x
complete -c drapci -n "__fish_seen_subcommand_from credentials" -l node -x
complete -c drapci -n "__fish_seen_subcommand_from credentials" -l certificate-authority -r -F
complete -c drapci -n "__fish_seen_subcommand_from credentials" -l token-file -r -F
complete -c drapci -n "__fish_seen_subcommand_from credentials" -l token -x -a "-"
complete -c drapci -l socket -r -F
complete -c drapci -l timeout -x
complete -c drapci -n "__fish_seen_subcommand_from plan prepare" -s f -l file -r -F
complete -c drapci -n "__fish_seen_subcommand_from plan prepare" -l name -x
complete -c drapci -n "__fish_seen_subcommand_from plan prepare" -l config -r -F
complete -c drapci -n "__fish_seen_subcommand_from plan prepare" -l share -x
complete -c drapci -n "__fish_seen_subcommand_from plan prepare" -l device -x -a "(__drapci_devices)"
complete -c drapci -n "__fish_seen_subcommand_from map" -l svg
complete -c drapci -n "__fish_seen_subcommand_from health" -l watch
complete -c drapci -n "__fish_seen_subcommand_from health" -l explain -x -a "(__drapci_devices)"
complete -c drapci -n "__fish_seen_subcommand_from health" -l clear -x -a "(__drapci_devices)"
complete -c drapci -n "__fish_seen_subcommand_from events" -s f -l follow
complete -c drapci -n "__fish_seen_subcommand_from device map health events" -a "(__drapci_devices)"
complete -c drapci -n "__fish_seen_subcommand_from unprepare" -a "(__drapci_claims)"
complete -c drapci -n "__fish_seen_subcommand_from completion" -a "bash zsh fish"
)sh";

}  // namespace

std::string Completion(std::string_view shell) {
  if (shell == "bash") return std::string(kBash);
  if (shell == "zsh") return std::string(kZsh) + std::string(kBash);
  if (shell == "fish") return std::string(kFish);
  return "";
}

}  // namespace drapci::cli
