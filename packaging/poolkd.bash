# Completion of poolkd in bash. What can be typed is read from the program's own help.

_poolkd() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} sub=${COMP_WORDS[1]} words='' each
    [[ $sub == [a-z]* && $COMP_CWORD -gt 1 ]] || sub=''
    if [[ $before == -k ]]; then
        words="com: unix: tcp: $(poolkd lab list 2>/dev/null | sed -n 's/.*connect with: poolkd -k //p')"
    elif [[ $word == -* ]]; then
        words=$(poolkd ${sub:+"$sub"} "-?" 2>/dev/null | grep -oE '(^|[ ,])--?[a-z][a-z-]*' | tr -d ' ,')
    elif [[ $COMP_CWORD == 1 ]]; then
        words=$(poolkd "-?" | sed -nE 's/^  poolkd ([a-z]+) .*/\1/p')
    elif [[ $sub == lab && $COMP_CWORD == 2 ]]; then
        words="start stop restart list"
    elif [[ $sub == lab && ${COMP_WORDS[2]} == @(stop|restart) ]]; then
        words=$(poolkd lab list 2>/dev/null | sed -nE 's/^([^ ]+):.*/\1/p')
    elif [[ $sub == help ]]; then
        words="$(poolkd help --json | grep -oE '"names":\[[^]]*' | sed 's/"names":\[//; s/[",]/ /g')
$(poolkd "-?" | sed -nE 's/^  poolkd ([a-z]+) .*/\1/p')"
    fi
    COMPREPLY=()
    while read -r each; do # not compgen -W, which expands `$` and the like in commands' names
        [[ -z $each || $each != "$word"* ]] || COMPREPLY+=("$each")
    done < <(tr ' ' '\n' <<<"$words" | sort -u)
}
complete -o bashdefault -o default -F _poolkd poolkd
