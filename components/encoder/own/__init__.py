"""The place for networks of your own: a file here with a function that builds one, which `pretrain.encoder` names.

    encoder: {name: own, function: components.encoder.own.mine.build, arguments: {width: 32}}

DVC sees an edit here, as the folder is a dep of the stages. docs/networks.md has an example.
"""
