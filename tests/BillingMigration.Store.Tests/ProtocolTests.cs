using System.Diagnostics;
using BillingMigration.Testing;

namespace BillingMigration.Store.Tests;

/// <summary>The model of the switch holds for every order of events, and does not when it is broken.</summary>
public sealed class ProtocolTests
{
    [Theory]
    [InlineData("")]
    [InlineData("-DNO_FENCE -DFLIPS=1")]
    public async Task The_protocol_holds_whatever_happens(string how) => Assert.Contains("errors: 0", await CheckAsync(0, how), StringComparison.Ordinal);

    [Theory]
    [InlineData("-DDRAIN_SHORT")]
    [InlineData("-DNO_WAIT -DNO_FENCE")]
    [InlineData("-DFENCE_LATE")]
    [InlineData("-DLEASE_ANSWER")]
    [InlineData("-DLEASE_ANSWER -DNO_FENCE")]
    [InlineData("-DOLD_WRITER")]
    [InlineData("-DNO_DEADLINE")]
    [InlineData("-DSTAY_FENCED")]
    [InlineData("-DSAID_BUSY")]
    [InlineData("-DSAID_STALE")]
    [InlineData("-DSAID_LATE")]
    [InlineData("-DSAID_ONCE")]
    [InlineData("-DFORGET_ANY")]
    public async Task A_protocol_that_is_broken_is_found_out(string how) => Assert.Contains("assertion violated", await CheckAsync(1, how), StringComparison.Ordinal);

    private static async Task<string> CheckAsync(int expected, string how)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Spin comes as a Debian package.");
        string[] arguments = ["-DL=1", .. how.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        using var check = Process.Start(new ProcessStartInfo(Repository.PathOf("docs", "protocol", "check"), arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = check.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        var output = await check.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await check.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(check.ExitCode == expected, $"Exit code {check.ExitCode}: {output} {await errors}");
        return output;
    }
}
