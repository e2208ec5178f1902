using System.Management.Automation;
using BillingMigration.Definition;

namespace BillingMigration.PowerShell.Tests;

public sealed class ErrorTests
{
    [Theory]
    [InlineData(MigrationErrorKind.Unreachable, ErrorCategory.ConnectionError)]
    [InlineData(MigrationErrorKind.AuthenticationFailed, ErrorCategory.AuthenticationError)]
    [InlineData(MigrationErrorKind.PermissionDenied, ErrorCategory.PermissionDenied)]
    [InlineData(MigrationErrorKind.SecurityViolation, ErrorCategory.SecurityError)]
    [InlineData(MigrationErrorKind.Busy, ErrorCategory.ResourceBusy)]
    [InlineData(MigrationErrorKind.LimitExceeded, ErrorCategory.LimitsExceeded)]
    [InlineData(MigrationErrorKind.Unexpected, ErrorCategory.NotSpecified)]
    public void The_kind_decides_the_category(MigrationErrorKind kind, ErrorCategory category) =>
        Assert.Equal(category, Errors.ToRecord(new MigrationException("Id", kind, "Message.")).CategoryInfo.Category);

    [Fact]
    public void The_last_sentence_is_the_recommended_action()
    {
        var record = Errors.ToRecord(new MigrationException("LeaseHeld", MigrationErrorKind.Busy, "Host a.b.c holds it until 10:00. Wait, or stop it there.", "export"));
        Assert.Equal("LeaseHeld", record.FullyQualifiedErrorId);
        Assert.Equal("export", record.TargetObject);
        Assert.Equal("Wait, or stop it there.", record.ErrorDetails.RecommendedAction);
        Assert.StartsWith("Host a.b.c", record.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Problems_of_a_definition_are_listed_once_each()
    {
        DefinitionProblem[] problems = [new("$.name", "Too long.", "Shorten it."), new("$.source", "Missing.", "Add it.")];
        var record = Errors.ToRecord(new MigrationException("InvalidDefinition", MigrationErrorKind.InvalidDefinition, $"Two mistakes: {problems[0]}", problems));
        Assert.Single(record.ToString().Split("$.name").Skip(1));
        Assert.Contains("$.source: Missing. Add it.", record.ToString(), StringComparison.Ordinal);
        Assert.Equal("Shorten it. Add it.", record.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void An_unexpected_error_shows_no_secret_and_keeps_no_cause_that_would()
    {
        var cause = new InvalidOperationException("Login failed for Server=h;User ID=u;Password=hunter2;Port=1 with tok/en");
        var error = Errors.ToMigrationException(new AggregateException(cause), ["tok/en"]);
        Assert.Equal("Unexpected", error.ErrorId);
        Assert.Contains("Password=***;Port=1 with ***", error.Message, StringComparison.Ordinal);
        Assert.Null(error.InnerException);
    }

    [Fact]
    public void An_unexpected_error_without_a_secret_keeps_its_cause()
    {
        var cause = new InvalidOperationException("Something broke.");
        Assert.Same(cause, Errors.ToMigrationException(cause, ["tok/en"]).InnerException);
    }
}
