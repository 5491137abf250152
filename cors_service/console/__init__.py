"""The console: the pages that the admin process shows to people.

* `tree` mounts the pages; `console` is what they have in common, and `page` is what each of them is made of.
* `layout` draws what all pages have, `parts` draws what several of them show, and `assets` has the files that a browser
  loads beside a page.
* `viewers` knows who looks: by a session of `sessions`, which `signing_in` begins and ends, or by a proxy.
* One module for each page, such as `overview`, `policies`, `changing`, `playing` and `inbox`.
"""
