namespace NativeFfn.Server.Explorer;

/// <summary>The page at <c>/</c>: its own files and nothing from elsewhere.</summary>
internal static class ExplorerPage
{
    // No inline code, no other origin, no frame around it.
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action " +
        "'none'; frame-ancestors 'none'";

    /// <summary>The addresses of its files.</summary>
    public static IEnumerable<string> Files(WebApplication app) =>
        app.Environment.WebRootFileProvider.GetDirectoryContents(string.Empty)
            .Where(static file => !file.IsDirectory).Select(static file => "/" + file.Name);

    /// <summary>Serves the page, which needs no key; what it asks for does.</summary>
    public static void Use(WebApplication app)
    {
        app.UseDefaultFiles();
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = static file =>
            {
                IHeaderDictionary headers = file.Context.Response.Headers;
                headers.ContentSecurityPolicy = ContentSecurityPolicy;
                headers.XContentTypeOptions = "nosniff";
                headers["Referrer-Policy"] = "no-referrer";
                headers.CacheControl = "no-cache";
            },
        });
    }
}
