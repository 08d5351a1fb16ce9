# The completions of barewire for bash. Written by: barewire --completions bash
_barewire() {
    local cur=$2 option=${COMP_WORDS[COMP_CWORD-1]} sign=' ' command=serve words=
    # Bash splits words at "=", which is a word of its own then.
    if [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
        cur= sign='='
    elif [[ $option == = ]]; then
        option=${COMP_WORDS[COMP_CWORD-2]} sign='='
    fi
    if (( COMP_CWORD > 1 )); then
        case ${COMP_WORDS[1]} in explain|help|send) command=${COMP_WORDS[1]} ;; esac
    fi
    COMPREPLY=()
    case "$command $option$sign" in
    # VALUES
        'send send ') [[ $cur == -* ]] || return ;;
        'help help ') words='explain send' ;;
        'help '*) return ;;
    esac
    if [[ -z $words && $cur == -* ]]; then
        case $command in
    # OPTIONS
        esac
    fi
    if [[ -n $words ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
        return
    fi
    # Bash completes files itself where nothing is offered here.
    compopt -o default
    if (( COMP_CWORD == 1 )); then
        mapfile -t COMPREPLY < <(compgen -W 'explain help send' -- "$cur")
        # Beside a command, files that begin like it.
        if (( ${#COMPREPLY[@]} )); then
            compopt -o filenames
            mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
        fi
    fi
}
complete -F _barewire barewire
