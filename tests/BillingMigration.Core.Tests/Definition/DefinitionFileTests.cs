using BillingMigration.Definition;

namespace BillingMigration.Tests.Definition;

public sealed class DefinitionFileTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("definition");

    public void Dispose() => folder.Delete(recursive: true);

    [Fact]
    public void A_file_that_is_not_there_has_an_error_of_its_own()
    {
        var error = Assert.Throws<MigrationException>(() => MigrationDefinitionFile.Load(Path.Combine(folder.FullName, "no", "migration.json")));
        Assert.Equal(("DefinitionNotFound", MigrationErrorKind.NotFound), (error.ErrorId, error.Kind));
        Assert.Contains("New-BillingMigrationDefinition", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_no_definition()
    {
        var error = Assert.Throws<MigrationException>(() => MigrationDefinitionFile.Load(folder.FullName));
        Assert.Equal("DefinitionUnreadable", error.ErrorId);
    }

    [Fact]
    public void The_message_names_the_file()
    {
        var path = Path.Combine(folder.FullName, "other.json");
        File.WriteAllText(path, "{");
        var error = Assert.Throws<MigrationException>(() => MigrationDefinitionFile.Load(path));
        Assert.StartsWith("other.json has one mistake:\n", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_relative_CA_file_starts_at_the_folder_of_the_definition()
    {
        var path = Path.Combine(folder.FullName, "migration.json");
        File.WriteAllText(path, DefinitionMistakeTests.Good.Replace("\"mode\": \"VerifyFull\"", "\"mode\": \"VerifyCA\", \"caFile\": \"ca.pem\"", StringComparison.Ordinal));
        var missing = Assert.Throws<MigrationException>(() => MigrationDefinitionFile.Load(path));
        Assert.Contains(Path.Combine(folder.FullName, "ca.pem"), missing.Message, StringComparison.Ordinal);

        File.WriteAllText(Path.Combine(folder.FullName, "ca.pem"), string.Empty);
        var definition = MigrationDefinitionFile.Load(path);
        Assert.Equal(("ca.pem", folder.FullName), (definition.Source.Tls.CaFile, definition.BaseDirectory));
    }
}
