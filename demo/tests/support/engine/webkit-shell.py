"""A browser of one window around WebKitGTK, for WebKitWebDriver.

WebKitGTK's own MiniBrowser is private under automation: it keeps nothing when it ends, and a cache in Cache Storage loses its
content as soon as no page holds it open. This one keeps its data in a folder, as browsers do.

Usage: webkit-shell.py FOLDER PROXY [FEATURE...]

PROXY is asked for every name that is not this machine's own, and the features are switched on.
"""

import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")

from gi.repository import Gtk, WebKit2  # noqa: E402  (the versions come first)

folder, proxy, *wanted = sys.argv[1:]
manager = WebKit2.WebsiteDataManager(
    base_data_directory=f"{folder}/data", base_cache_directory=f"{folder}/cache"
)
context = WebKit2.WebContext(website_data_manager=manager)
context.set_automation_allowed(True)
manager.set_network_proxy_settings(
    WebKit2.NetworkProxyMode.CUSTOM,
    WebKit2.NetworkProxySettings.new(proxy, ["127.0.0.1", "localhost"]),
)

known = WebKit2.Settings.get_all_features()
features = [known.get(n) for n in range(known.get_length())]
features = [feature for feature in features if feature.get_identifier() in wanted]
if len(features) != len(wanted):
    sys.exit(f"WebKitGTK knows not all of the features {wanted}")

window = Gtk.Window(default_width=1280, default_height=900)
tabs = Gtk.Notebook(show_tabs=False)
window.add(tabs)


def close(view):
    view.destroy()
    if tabs.get_n_pages() == 0:
        Gtk.main_quit()


def create(_session):
    settings = WebKit2.Settings(enable_write_console_messages_to_stdout=True)
    for feature in features:
        settings.set_feature_enabled(feature, True)
    view = WebKit2.WebView(
        web_context=context, settings=settings, is_controlled_by_automation=True
    )
    view.connect("close", close)
    tabs.append_page(view, None)
    window.show_all()
    tabs.set_current_page(tabs.page_num(view))
    return view


def started(_context, session):
    application = WebKit2.ApplicationInfo()
    application.set_name("webkit-shell")
    application.set_version(
        WebKit2.get_major_version(), WebKit2.get_minor_version(), WebKit2.get_micro_version()
    )
    session.set_application_info(application)
    session.connect("create-web-view", create)
    session.connect("will-close", lambda _session: Gtk.main_quit())


context.connect("automation-started", started)
window.connect("destroy", lambda _window: Gtk.main_quit())
Gtk.main()
