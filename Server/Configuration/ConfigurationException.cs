namespace NativeFfn.Server.Configuration;

/// <summary>A configuration that the server does not start with; the message names the key and the remedy.</summary>
internal sealed class ConfigurationException(string message, Exception? inner = null) : Exception(message, inner);
