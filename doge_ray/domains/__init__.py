"""Labelled text by domain: loaded, checked, audited, tokenised once, cut into batches.

Reading order: ``labelled`` (the values), ``corpus`` (configuration to corpus), one module per data
set (``amazon``, ``mnli``, ``quickstart``, ``files``, ``ontonotes``) over ``tabular`` and ``conll``
(files to rows), ``tags`` (schemes of entity tags), ``cache`` (what is downloaded), ``checks`` and
``subset`` (rules all data sets share), ``audit`` (what to know before training), ``encode``,
``encode_tags`` and ``encoded`` (tokens written once and mapped into memory), ``rows`` (a split's
batches and answers), ``batches`` (which rows a step sees).
"""
