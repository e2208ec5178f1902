using System.Text.RegularExpressions;
using BillingMigration.Definition;
using BillingMigration.Model;
using BillingMigration.Source;
using BillingMigration.Testing;

namespace BillingMigration.Tests.Definition;

/// <summary>What <c>docs/definition.md</c> shows works as it stands there.</summary>
public sealed class DefinitionDocumentTests(TestServers servers)
{
    private readonly string document = File.ReadAllText(Repository.PathOf("docs", "definition.md"));

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task The_worked_examples_fit_their_tables(int example)
    {
        var definition = MigrationDefinitionFile.Parse(Block("jsonc", example), null);
        await using var database = await (await servers.MySqlAsync()).CreateDatabaseAsync();
        await database.ExecuteAsync(Block("sql", example));
        await using var connection = await database.OpenAsync();
        var tables = await SchemaInspector.InspectAsync(connection, database.Name, DefinitionSchemaCheck.TablesOf(definition), TestContext.Current.CancellationToken);
        Assert.Empty(DefinitionSchemaCheck.Check(definition, tables));
    }

    [Fact]
    public void Every_property_is_explained() => Assert.All(
        Names(DefinitionShape.Root), name => Assert.True(document.Contains($"`{name}`", StringComparison.Ordinal) || PropertyName(name).IsMatch(document), $"{name} is not in docs/definition.md"));

    private static IEnumerable<string> Names(DefinitionShape shape) => shape.Properties.SelectMany(p => (p.Child is null ? [] : Names(p.Child)).Append(p.Name)).Distinct();

    private static Regex PropertyName(string name) => new($"""[.`"]{Regex.Escape(name)}\b""");

    private string Block(string language, int number) => Regex.Matches(document, $"```{language}\n(.*?)```", RegexOptions.Singleline)[number].Groups[1].Value;
}
