using System.Globalization;
using System.Management.Automation;
using System.Xml.Linq;

namespace BillingMigration.HelpBuilder;

/// <summary>Joins pages and cmdlets into the XML that Get-Help reads (MAML, as about_Updatable_Help and the PowerShell SDK describe it).</summary>
internal static class Maml
{
    private static readonly XNamespace Root = "http://msh";
    private static readonly XNamespace Text = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    private static readonly Dictionary<string, string> Everywhere = new()
    {
        ["WhatIf"] = "Says what would be done, and does nothing.",
        ["Confirm"] = "Asks before anything is done.",
    };

    public static XDocument Document(IEnumerable<(CmdletPage Page, CmdletShape Shape)> cmdlets) => new(
        new XElement(
            Root + "helpItems",
            new XAttribute("schema", "maml"),
            new XAttribute(XNamespace.Xmlns + "maml", Text),
            new XAttribute(XNamespace.Xmlns + "command", Command),
            new XAttribute(XNamespace.Xmlns + "dev", Dev),
            cmdlets.Select(c => Item(c.Page, c.Shape))));

    private static XElement Item(CmdletPage page, CmdletShape shape)
    {
        var texts = page.Section("Parameters").Where(e => e.Title.Length > 0).ToDictionary(e => e.Title.TrimStart('-'), e => e.Paragraphs);
        if (texts.Keys.Except(shape.Parameters.Select(p => p.Name)).FirstOrDefault() is { } unknown)
        {
            throw new FormatException($"{page.Name}: the page describes -{unknown}, which the cmdlet does not have.");
        }

        XElement Parameter(ParameterShape p, ParameterAttribute how) => Maml.Parameter(p, how, Describe(page, texts, p.Name));
        return new XElement(
            Command + "command",
            new XElement(
                Command + "details",
                new XElement(Command + "name", shape.Name),
                new XElement(Command + "verb", shape.Verb),
                new XElement(Command + "noun", shape.Noun),
                new XElement(Text + "description", Paragraphs(PageEntry.Prose(page.Synopsis)))),
            new XElement(Text + "description", Paragraphs(page.Section("Description").SelectMany(e => e.Paragraphs))),
            new XElement(
                Command + "syntax",
                shape.ParameterSets.Select(set => new XElement(
                    Command + "syntaxItem",
                    new XElement(Text + "name", shape.Name),
                    Ordered(shape.Parameters, set).Select(p => Parameter(p, p.In(set)!))))),
            new XElement(Command + "parameters", shape.Parameters.Select(p => Parameter(p, p.Sets.Values.First()))),
            new XElement(Command + "inputTypes", Types(page, "Inputs", "inputType")),
            new XElement(Command + "returnValues", Types(page, "Outputs", "returnValue")),
            new XElement(Text + "alertSet", new XElement(Text + "alert", Paragraphs(page.Section("Notes").SelectMany(e => e.Paragraphs)))),
            new XElement(Command + "examples", page.Section("Examples").Where(e => e.Title.Length > 0).Select(Example)),
            new XElement(Command + "relatedLinks", Links(page)));
    }

    private static IReadOnlyList<string> Describe(CmdletPage page, Dictionary<string, IReadOnlyList<string>> texts, string parameter) =>
        texts.TryGetValue(parameter, out var own) ? own
        : Everywhere.TryGetValue(parameter, out var common) ? [common]
        : throw new FormatException($"{page.Name}: the page does not describe -{parameter}.");

    /// <summary>Positional ones by position, then mandatory ones, then the rest as they are declared.</summary>
    private static IEnumerable<ParameterShape> Ordered(IEnumerable<ParameterShape> parameters, string set) =>
        parameters.Where(p => p.In(set) is not null).OrderBy(p => p.In(set)!.Position < 0 ? int.MaxValue : p.In(set)!.Position).ThenBy(p => !p.In(set)!.Mandatory);

    private static XElement Parameter(ParameterShape parameter, ParameterAttribute how, IReadOnlyList<string> description)
    {
        var pipeline = (how.ValueFromPipeline, how.ValueFromPipelineByPropertyName) switch
        {
            (true, true) => "True (ByPropertyName, ByValue)",
            (true, false) => "True (ByValue)",
            (false, true) => "True (ByPropertyName)",
            _ => "False",
        };
        return new XElement(
            Command + "parameter",
            new XAttribute("required", how.Mandatory ? "true" : "false"),
            new XAttribute("variableLength", parameter.Type.IsArray ? "true" : "false"),
            new XAttribute("globbing", "false"),
            new XAttribute("pipelineInput", pipeline),
            new XAttribute("position", how.Position < 0 ? "named" : how.Position.ToString(CultureInfo.InvariantCulture)),
            new XAttribute("aliases", parameter.Aliases.Count == 0 ? "none" : string.Join(", ", parameter.Aliases)),
            new XElement(Text + "name", parameter.Name),
            new XElement(Text + "description", Paragraphs(description)),
            parameter.IsSwitch
                ? null
                : new XElement(
                    Command + "parameterValue",
                    new XAttribute("required", "true"),
                    new XAttribute("variableLength", parameter.Type.IsArray ? "true" : "false"),
                    parameter.TypeName),
            new XElement(Dev + "type", new XElement(Text + "name", parameter.TypeName), new XElement(Text + "uri")),
            new XElement(Dev + "defaultValue", parameter.Default));
    }

    private static XElement Example(PageEntry entry, int index) => new(
        Command + "example",
        new XElement(Text + "title", $"Example {index + 1}: {entry.Title}"),
        new XElement(Dev + "code", entry.Code),
        new XElement(Dev + "remarks", Paragraphs(entry.Paragraphs)));

    private static IEnumerable<XElement> Types(CmdletPage page, string section, string element) =>
        page.Section(section).Where(e => e.Title.Length > 0).Select(e => new XElement(
            Command + element,
            new XElement(Dev + "type", new XElement(Text + "name", e.Title)),
            new XElement(Text + "description", Paragraphs(e.Paragraphs))));

    private static IEnumerable<XElement> Links(CmdletPage page) =>
        page.Section("Links").SelectMany(e => e.Lines).Where(l => l.StartsWith("- ", StringComparison.Ordinal)).Select(l => new XElement(
            Text + "navigationLink", new XElement(Text + "linkText", l[2..].Trim()), new XElement(Text + "uri")));

    private static IEnumerable<XElement> Paragraphs(IEnumerable<string> paragraphs) => paragraphs.Select(p => new XElement(Text + "para", p));
}
