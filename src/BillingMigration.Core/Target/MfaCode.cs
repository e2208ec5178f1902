using Amazon.Runtime;
using Amazon.Runtime.Internal;

namespace BillingMigration.Target;

/// <summary>Roles of a profile with <c>mfa_serial</c>: whoever assumes them types a code of his device.</summary>
internal static class MfaCode
{
    /// <summary>As long as he may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    /// <returns>True: these credentials ask for a code.</returns>
    /// <exception cref="MigrationException"><c>MfaCodeNeeded</c>: there is nobody to ask.</exception>
    public static bool Use(AWSCredentials credentials, Func<string, string?>? ask)
    {
        if (credentials is not AssumeRoleAWSCredentials { Options: { MfaSerialNumber: { Length: > 0 } serial } options })
        {
            return false;
        }

        options.MfaTokenCodeCallback = () => ask?.Invoke(serial) ?? throw Needed(serial);
        return true;
    }

    private static MigrationException Needed(string serial) => new(
        "MfaCodeNeeded", MigrationErrorKind.AuthenticationFailed,
        $"The profile's role is assumed with a code of the MFA device {serial}, and nobody can be asked for it here. Pass it with -TokenCode; a job that runs for longer than the role's session needs a profile without mfa_serial.",
        serial);
}
