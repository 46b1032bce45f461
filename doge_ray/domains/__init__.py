"""Labelled text by domain: loaded, checked, audited, tokenised once, cut into batches.

Reading order: ``labelled`` (the values), ``corpus`` (configuration to corpus), one module per data
set (``amazon``, ``mnli``, ``quickstart``, ``files``) over ``records`` (files to rows) and
``cache`` (what is downloaded), ``checks`` and ``subset`` (rules all data sets share), ``audit``
(what to know before training), ``encode`` and ``encoded`` (tokens written once and mapped into
memory), ``batches`` (which rows a step sees).
"""
