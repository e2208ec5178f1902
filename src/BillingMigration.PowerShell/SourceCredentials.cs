using System.Management.Automation;
using BillingMigration.Source;

namespace BillingMigration.PowerShell;

/// <summary>The account for the source: the one given, else the environment's. Never asks, so that a job without a terminal cannot hang.</summary>
internal static class SourceCredentials
{
    internal const string UserVariable = "BILLINGMIGRATION_SOURCE_USER";
    internal const string PasswordVariable = "BILLINGMIGRATION_SOURCE_PASSWORD";

    /// <exception cref="MigrationException"><c>SourceCredentialMissing</c>.</exception>
    public static SourceCredential Resolve(PSCredential? given)
    {
        if (given is not null)
        {
            return new SourceCredential(given.UserName, given.GetNetworkCredential().Password);
        }

        var user = Environment.GetEnvironmentVariable(UserVariable);
        if (string.IsNullOrEmpty(user))
        {
            throw new MigrationException(
                "SourceCredentialMissing",
                MigrationErrorKind.AuthenticationFailed,
                "There is no account for the source database. Pass -SourceCredential (for example the result of Get-Credential), "
                    + $"or set the environment variables {UserVariable} and {PasswordVariable}.");
        }

        return new SourceCredential(user, Environment.GetEnvironmentVariable(PasswordVariable) ?? "");
    }
}
